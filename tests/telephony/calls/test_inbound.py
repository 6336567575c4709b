from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from telephony.clients.livekit.rooms import Participant
from telephony.dialing import polling, reconciliation
from telephony.domain.room_names import room_prefix
from telephony.models import Call, PhoneNumber, Stage
from telephony.services.inbound import (
    advance_call,
    list_ringing_calls,
    open_call,
    verdict_by_the_clock,
)
from telephony.services.numbers import NumberOrder, change_number, register_number
from telephony.services.trunk_config import SipSettings
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.calls import livekit
from voiceops.core.ids import uuid7
from worker import sweep

OURS = "+12025550100"
CALLER = "+12025550123"


@pytest.fixture
def agent(ours: Workspace, box: RunningSandbox) -> Agent:
    return make.agent(ours, name="Reception", first_message="Welcome!")


@pytest.fixture
def number(ours: Workspace, agent: Agent) -> PhoneNumber:
    sip = SipSettings(address="sip.example.com")
    return register_number(workspace=ours, order=NumberOrder(OURS, sip=sip, inbound_agent=agent))


def inbound(of: Workspace, box: RunningSandbox, **wanted: Any) -> dict[str, Any]:
    """Wait until the only inbound call has these values, and return it."""
    client = make.client(of)

    def arrived() -> dict[str, Any] | None:
        items = client.get("/calls?direction=inbound").json()["items"]
        fits = items and all(items[0][name] == value for name, value in wanted.items())
        return dict(items[0]) if fits else None

    found: dict[str, Any] = box.wait_for(arrived, timeout=20)
    return found


def test_inbound_call_reaches_the_numbers_agent_and_ends(
    ours: Workspace, box: RunningSandbox, agent: Agent, number: PhoneNumber
) -> None:
    answer = box.call_inbound(to=OURS, caller=CALLER)
    call = inbound(ours, box, status="ended")
    hung_up_by = box.wait_for(
        lambda: make.client(ours).get(f"/calls/{call['id']}").json()["hung_up_by"]
    )

    transcript = make.client(ours).get(f"/calls/{call['id']}/transcript").json()["turns"]
    timeline = [
        event["type"]
        for event in make.client(ours).get(f"/calls/{call['id']}/events").json()["items"]
    ]
    assert answer.status_code in (200, 201)
    assert (call["from"], call["to"], call["agent_id"], call["agent_version"]) == (
        CALLER,
        OURS,
        str(agent.pk),
        1,
    )
    assert (call["direction"], call["outcome"]) == ("inbound", "answered")
    assert (call["sip_status_code"], call["sip_status"]) == (200, "OK")
    moments = [
        call[name] for name in ("created_at", "dialed_at", "ringing_at", "answered_at", "ended_at")
    ]
    assert moments == sorted(moments)
    assert hung_up_by in ("callee", "agent")
    assert call["duration_seconds"] > 0
    assert transcript[0]["text"] == "Welcome!"
    assert timeline[0] == "ringing"
    assert {"agent_joined", "answered", "ended"} <= set(timeline)


def test_newest_published_version_answers(
    ours: Workspace, box: RunningSandbox, agent: Agent, number: PhoneNumber
) -> None:
    Agent.unscoped.filter(pk=agent.pk).update(version=2, first_message="Good evening!")
    make.publish_draft(Agent.unscoped.get(pk=agent.pk))

    box.call_inbound(to=OURS, caller=CALLER)
    call = inbound(ours, box, status="ended")

    assert call["agent_version"] == 2


def test_withheld_caller_number_is_anonymous(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    box.call_inbound(to=OURS, caller="anonymous")

    call = inbound(ours, box, status="ended")

    assert (call["from"], call["outcome"]) == ("anonymous", "answered")


@pytest.mark.parametrize(
    ("called", "caller"), [(OURS[1:], CALLER[1:]), (OURS[2:], CALLER[2:]), (OURS[2:], "anonymous")]
)
def test_every_spelling_of_a_national_trunk_finds_the_agent(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, called: str, caller: str
) -> None:
    change_number(number=number, changes={"dial_format": "national"})

    box.call_inbound(to=called, caller=caller)
    call = inbound(ours, box, status="ended")

    expected = "anonymous" if caller == "anonymous" else CALLER
    assert (call["from"], call["to"], call["outcome"]) == (expected, OURS, "answered")


def test_number_without_an_agent_rejects_calls(ours: Workspace, box: RunningSandbox) -> None:
    register_number(
        workspace=ours, order=NumberOrder(OURS, sip=SipSettings(address="sip.example.com"))
    )

    answer = box.call_inbound(to=OURS, caller=CALLER)

    assert answer.status_code == 404
    assert make.client(ours).get("/calls").json()["total"] == 0


def test_deleted_agent_gets_no_calls(
    ours: Workspace, box: RunningSandbox, agent: Agent, number: PhoneNumber
) -> None:
    client = make.client(ours)
    client.delete(f"/agents/{agent.pk}")
    box.call_inbound(to=OURS, caller=CALLER)
    call = inbound(ours, box, status="ringing")
    Call.unscoped.filter(pk=call["id"]).update(ringing_at=timezone.now() - timedelta(seconds=4))

    sweep.sweep()

    call = inbound(ours, box, status="ended")
    assert (call["agent_id"], call["outcome"], call["end_reason"]) == (
        None,
        "no_answer",
        "number_without_agent",
    )
    assert client.get(f"/phone-numbers/{number.pk}").json()["inbound_agent_id"] is None


def test_missing_published_agent_is_the_reason_even_after_the_caller_left(
    ours: Workspace, agent: Agent, number: PhoneNumber
) -> None:
    Agent.unscoped.filter(pk=agent.pk).update(published_version=None)
    call = open_call(f"{room_prefix(number.pk)}_{CALLER}_abc", at=timezone.now())
    assert call is not None

    verdict = advance_call(call, present=[])

    assert verdict is not None
    assert verdict.reason == "number_without_agent"


def test_agent_deleted_while_being_assigned_gets_no_calls(
    ours: Workspace, agent: Agent, number: PhoneNumber
) -> None:
    Agent.unscoped.filter(pk=agent.pk).update(deleted_at=timezone.now())

    call = open_call(f"{room_prefix(number.pk)}_{CALLER}_abc", at=timezone.now())

    assert call is not None
    assert (call.agent, call.agent_version) == (None, None)


def test_unanswered_caller_is_hung_up_after_ten_seconds(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    box.set_agent(online=False)
    box.call_inbound(to=OURS, caller=CALLER)
    call = inbound(ours, box, status="ringing")
    Call.unscoped.filter(pk=call["id"]).update(ringing_at=timezone.now() - timedelta(seconds=11))

    sweep.sweep()

    call = inbound(ours, box, status="ended")
    assert (call["outcome"], call["end_reason"]) == ("no_answer", "no_agent")
    assert box.rooms() == []


def test_call_whose_host_died_ends_although_its_room_cannot_be_deleted(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    """LiveKit shows the caller for ever, and refuses DeleteRoom until the room is made again."""
    box.set_agent(online=False)
    box.call_inbound(to=OURS, caller=CALLER)
    call = inbound(ours, box, status="ringing")
    box.crash("both", down_seconds=0.2, stale=True)
    box.wait_until_back(but=["agents"])
    Call.unscoped.filter(pk=call["id"]).update(ringing_at=timezone.now() - timedelta(seconds=11))

    sweep.sweep()

    call = inbound(ours, box, status="ended")
    assert (call["outcome"], call["end_reason"]) == ("no_answer", "no_agent")
    assert box.rooms() == []


def test_hang_up_succeeds_in_a_room_whose_host_died(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    box.set_agent(online=False)
    box.call_inbound(to=OURS, caller=CALLER)
    call = inbound(ours, box, status="ringing")
    box.crash("both", down_seconds=0.2, stale=True)
    box.wait_until_back(but=["agents"])
    stale = len(box.rooms())

    response = make.client(ours).post(f"/calls/{call['id']}/hangup")

    assert (stale, response.status_code, response.json()["outcome"]) == (1, 200, "cancelled")
    assert box.rooms() == []


def test_sweep_makes_up_for_a_lost_webhook(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    box.set_faults(webhook_loss_rate=1)
    box.call_inbound(to=OURS, caller=CALLER)

    sweep.sweep()

    call = inbound(ours, box, status="ended")
    assert (call["from"], call["outcome"]) == (CALLER, "answered")


@pytest.mark.parametrize(("waited", "end_reason"), [(4, "caller_hung_up"), (7, "no_agent")])
def test_caller_hangs_up_before_an_agent_answers(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, waited: int, end_reason: str
) -> None:
    room = f"{room_prefix(number.pk)}_{CALLER}_abc"
    box.set_agent(online=False)
    caller = {"identity": "sip_1", "kind": "SIP", "attributes": {"sip.phoneNumber": CALLER}}
    livekit.post(livekit.event("participant_joined", room, participant=caller))
    livekit.post(livekit.event("participant_left", room, participant=caller))
    Call.unscoped.update(ringing_at=timezone.now() - timedelta(seconds=waited))

    sweep.sweep()

    call = inbound(ours, box, status="ended")
    assert (call["outcome"], call["end_reason"]) == ("no_answer", end_reason)


@pytest.mark.parametrize("first", ["participant_joined", "participant_left", "room_finished"])
def test_first_event_of_a_room_creates_its_call_once(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, first: str
) -> None:
    room = f"{room_prefix(number.pk)}_{CALLER}_abc"
    box.set_agent(online=False)

    for name in (first, "participant_joined", "participant_left", first):
        livekit.post(livekit.event(name, room, participant={"identity": "sip_1", "kind": "SIP"}))

    call = Call.unscoped.get()
    assert (call.from_number, call.to_number, call.stage) == (CALLER, OURS, "ringing")
    assert call.events.count() == 1


def test_call_to_a_removed_number_is_still_followed(ours: Workspace) -> None:
    long_ago = timezone.now() - timedelta(minutes=1)
    fields = {
        "direction": "inbound",
        "from_number": CALLER,
        "stage": Stage.RINGING,
        "ringing_at": long_ago,
    }
    call = make.call(ours, **fields, number=None, room=room_prefix(uuid7()))

    followed = list_ringing_calls()

    assert followed == [call]


def test_answered_call_is_ended_at_the_maximum_duration(
    ours: Workspace, box: RunningSandbox, settings: Any
) -> None:
    """LiveKit ends calls we dialled; a browser, or a caller, may stay in the room when the agent
    has died.
    """
    settings.USES_SANDBOX = False
    now = timezone.now()
    agent = make.agent(ours, max_call_duration_seconds=120)
    fields = {
        "direction": "inbound",
        "from_number": "web",
        "stage": Stage.IN_PROGRESS,
        "agent": agent,
    }
    over = make.call(ours, **fields, answered_at=now - timedelta(seconds=190))
    within = make.call(ours, **fields, answered_at=now - timedelta(seconds=170))
    Call.unscoped.update(heard_at=now - timedelta(seconds=30))

    ends = [polling.is_overdue(call, now) for call in (over, within)]
    polling.end_overdue(over, now)

    over.refresh_from_db()
    assert ends == [True, False]
    assert (over.stage, over.outcome, over.end_reason) == (Stage.ENDED, "answered", "max_duration")


def test_ringing_call_without_a_callee_in_the_room_is_ended(ours: Workspace) -> None:
    """The agent reported ringing, every other event was lost, and the dispatcher died: the callee
    may have answered.
    """
    then = timezone.now() - timedelta(minutes=5)
    times = {"intent_at": then, "dialed_at": then, "ringing_at": then, "heard_at": then}
    call = make.call(ours, stage=Stage.RINGING, **times, lease_expires_at=None)

    reconciliation.conclude_doubt(call, timezone.now(), [])

    call.refresh_from_db()
    assert (call.stage, call.outcome) == (Stage.ENDED, "unknown")


@pytest.mark.parametrize(("seconds", "outcome"), [(39, None), (41, "unknown")])
def test_inbound_call_that_rings_in_livekits_store_for_ever_ends_by_our_clock(
    ours: Workspace, seconds: int, outcome: str | None
) -> None:
    """A host that died leaves the caller and the agent in its rooms."""
    times = {"ringing_at": timezone.now() - timedelta(seconds=seconds)}
    call = make.call(ours, direction="inbound", stage=Stage.RINGING, **times)
    stale = [Participant("sip_1", {"sip.callStatus": "ringing"}, is_callee=True)]

    verdict = advance_call(call, [*stale, Participant("agent-1", {}, is_callee=False)])

    assert (verdict and verdict.outcome) == outcome
    assert verdict_by_the_clock(call) is verdict


def test_agent_with_unreadable_secrets_is_logged(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, caplog: pytest.LogCaptureFixture
) -> None:
    AgentVersion.unscoped.update(sealed="ffffffff.lost")
    room = f"{room_prefix(number.pk)}_{CALLER}_abc"

    answer = livekit.post(
        livekit.event("participant_joined", room, participant={"identity": "sip_1", "kind": "SIP"})
    )

    assert answer.status_code == 200
    assert f"inbound call {Call.unscoped.get().pk} cannot be read" in caplog.text
