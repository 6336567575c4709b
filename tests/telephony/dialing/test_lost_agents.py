"""An answered call whose agent is gone ends within twelve seconds; no other call does."""

from datetime import timedelta
from typing import Any

import pytest
from livekit import api

from accounts.models import Workspace
from telephony.dialing import lost_agents
from telephony.dialing.lost_agents import (
    AGENT_LEFT_GRACE,
    AGENT_SILENCE,
    HEARING_RECOVERY,
    AgentWatch,
    Hearing,
)
from telephony.domain.timeline import add_event
from telephony.models import Call, Stage
from tests import make
from tests.telephony.calls import livekit as webhooks
from tests.telephony.calls.livekit import report, reported
from tests.telephony.dialing.fakes import callee_of, server_error
from voiceops.core.clock import database_now

SILENT = AGENT_SILENCE + timedelta(seconds=0.5)
AGENT = api.ParticipantInfo(identity="agent-1", kind=api.ParticipantInfo.Kind.AGENT)
RECORDER = api.ParticipantInfo(identity="EG_1", kind=api.ParticipantInfo.Kind.EGRESS)


def talking(of: Workspace, *, heard_ago: timedelta | None = SILENT, **fields: Any) -> Call:
    """An answered call whose agent, which reports that it is alive, was heard that long ago."""
    now = database_now()
    began = now - timedelta(minutes=1)
    values = {
        "stage": Stage.IN_PROGRESS,
        "intent_at": began,
        "dialed_at": began,
        "answered_at": began,
        "agent_joined_at": began,
        "agent_heard_at": None if heard_ago is None else now - heard_ago,
        **fields,
    }
    return make.call(of, **values)


def heard(of: Workspace) -> Call:
    """Another call, whose agent is heard."""
    return talking(of, heard_ago=timedelta(seconds=1))


def hearing_watch() -> AgentWatch:
    """A watch that has observed for long that agents are heard."""
    return AgentWatch(hearing=Hearing(checked_at=database_now()))


async def run(watch: AgentWatch, livekit: Any, db: Any) -> None:
    await watch.follow_suspects(livekit, db, watch.find_suspects())


def end_of(call: Call) -> tuple[Any, ...]:
    stored = Call.unscoped.get(pk=call.pk)
    return stored.stage, stored.outcome, stored.end_reason, stored.hung_up_by


LOST = (Stage.ENDED, "answered", "agent_lost", None)
GOES_ON = (Stage.IN_PROGRESS, None, None, None)


async def test_silent_agent_is_lost_while_others_are_heard(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, other = talking(ours), heard(ours)
    # LiveKit shows an agent that was killed for twenty seconds more.
    livekit.participants[call.room] = [callee_of(call, "active"), AGENT]

    await run(hearing_watch(), livekit, inline_db)

    assert (end_of(call), end_of(other)) == (LOST, GOES_ON)
    assert livekit.deleted == [call.room]
    assert list(call.events.order_by("at", "pk").values_list("type", "text")) == [
        ("alarm", "The voice agent was lost while the callee was on the line"),
        ("ended", "The voice agent was lost, and the call was ended"),
    ]


async def test_silence_is_not_the_agents_while_no_other_is_heard(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    calls = [talking(ours), talking(ours)]
    for call in calls:
        livekit.participants[call.room] = [callee_of(call, "active"), AGENT]

    await run(hearing_watch(), livekit, inline_db)

    assert [end_of(call) for call in calls] == [GOES_ON, GOES_ON]
    assert livekit.deleted == []


@pytest.mark.parametrize(("arrive", "end"), [(True, LOST), (False, GOES_ON)])
async def test_silence_of_the_only_agent_is_its_own_if_reports_arrive(
    ours: Workspace,
    livekit: Any,
    inline_db: Any,
    monkeypatch: pytest.MonkeyPatch,
    arrive: bool,
    end: tuple[Any, ...],
) -> None:
    call = talking(ours)
    livekit.participants[call.room] = [callee_of(call, "active"), AGENT]
    monkeypatch.setattr(lost_agents, "do_reports_arrive", {call.pk: arrive}.get)

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == end


def test_only_agent_that_reported_a_single_time_is_not_missed(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_agents, "do_reports_arrive", lambda _: True)
    talking(ours, agent_joined_at=database_now() - SILENT)
    watch = hearing_watch()

    watch.find_suspects()

    assert not watch.hearing.is_good(database_now())


def test_web_server_that_was_away_hears_the_only_agent_again_after_a_while(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, call = hearing_watch(), talking(ours)
    monkeypatch.setattr(lost_agents, "do_reports_arrive", lambda _: False)
    watch.find_suspects()
    monkeypatch.setattr(lost_agents, "do_reports_arrive", lambda _: True)

    watch.find_suspects()

    assert not watch.hearing.is_good(database_now())
    assert watch.hearing.is_good(database_now() + HEARING_RECOVERY)
    assert Call.unscoped.get(pk=call.pk).agent_heard_at == call.agent_heard_at


async def test_agents_may_take_a_while_to_repeat_their_reports_after_we_were_deaf(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    # Our web process was away for 40 s; the first agent has just got through, the others wait.
    waiting, _ = talking(ours, heard_ago=timedelta(seconds=41)), heard(ours)
    livekit.participants[waiting.room] = [callee_of(waiting, "active"), AGENT]
    watch = hearing_watch()
    watch.hearing.deaf_at = database_now() - timedelta(seconds=1)

    await run(watch, livekit, inline_db)

    assert end_of(waiting) == GOES_ON
    watch.hearing.deaf_at = database_now() - HEARING_RECOVERY
    await run(watch, livekit, inline_db)
    assert end_of(waiting) == LOST


async def test_process_that_has_just_started_does_not_know_whether_it_was_deaf(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, _ = talking(ours), heard(ours)
    livekit.participants[call.room] = [callee_of(call, "active"), AGENT]

    await run(AgentWatch(), livekit, inline_db)

    assert end_of(call) == GOES_ON


async def test_agent_that_never_reports_that_it_is_alive_is_not_missed(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, _ = talking(ours, heard_ago=None), heard(ours)
    livekit.participants[call.room] = [callee_of(call, "active")]

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == GOES_ON


@pytest.mark.parametrize(("others", "is_lost"), [([], True), ([RECORDER], True), ([AGENT], False)])
@pytest.mark.parametrize("heard_ago", [None, timedelta(seconds=1)])
async def test_agent_that_livekit_has_seen_leaving_is_lost_unless_it_is_back(
    ours: Workspace,
    livekit: Any,
    inline_db: Any,
    heard_ago: timedelta | None,
    others: list[api.ParticipantInfo],
    is_lost: bool,
) -> None:
    left_at = database_now() - AGENT_LEFT_GRACE - timedelta(seconds=0.5)
    call = talking(ours, heard_ago=heard_ago, agent_left_at=left_at)
    livekit.participants[call.room] = [callee_of(call, "active"), *others]

    await run(AgentWatch(), livekit, inline_db)

    assert end_of(call) == (LOST if is_lost else GOES_ON)
    assert is_lost or Call.unscoped.get(pk=call.pk).agent_left_at is None


async def test_agent_that_has_just_left_may_take_the_callee_with_it(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = talking(ours, heard_ago=None, agent_left_at=database_now())
    livekit.participants[call.room] = [callee_of(call, "active")]

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == GOES_ON


async def test_call_whose_callee_has_left_too_ends_as_ever(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, _ = talking(ours, agent_left_at=database_now() - timedelta(seconds=5)), heard(ours)
    livekit.participants[call.room] = []

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == GOES_ON


@pytest.mark.parametrize(
    ("events", "is_lost"),
    [
        ([("transfer", {"to": "+12025550186"})], False),
        ([("transfer", {}), ("transfer_failed", {})], True),
        ([("tool_call", {"name": "connect"})], False),
        ([("tool_call", {"name": "look_up"})], True),
        ([], True),
    ],
)
async def test_agent_may_leave_during_a_transfer(
    ours: Workspace, livekit: Any, inline_db: Any, events: list[Any], is_lost: bool
) -> None:
    tools = [{"type": "transfer_call", "name": "connect"}, {"type": "webhook", "name": "look_up"}]
    call = talking(
        ours,
        agent=make.agent(ours, tools=tools),
        agent_left_at=database_now() - timedelta(seconds=5),
    )
    for kind, data in events:
        add_event(call, type=kind, text="", at=database_now(), data=data)
    livekit.participants[call.room] = [callee_of(call, "active")]

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == (LOST if is_lost else GOES_ON)


async def test_dial_whose_agent_is_lost_is_cancelled_and_costs_nothing(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, _ = talking(ours, stage=Stage.RINGING, answered_at=None), heard(ours)
    livekit.participants[call.room] = [callee_of(call, "ringing"), AGENT]

    await run(hearing_watch(), livekit, inline_db)

    stored = Call.unscoped.get(pk=call.pk)
    assert (stored.stage, stored.outcome, stored.end_reason, stored.counts) == (
        Stage.ENDED,
        "cancelled",
        "agent_lost",
        False,
    )
    assert livekit.deleted == [call.room]


async def test_callee_who_picked_up_unnoticed_was_reached(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, _ = talking(ours, stage=Stage.RINGING, answered_at=None), heard(ours)
    livekit.participants[call.room] = [callee_of(call, "active")]

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == LOST
    assert Call.unscoped.get(pk=call.pk).counts is True


@pytest.mark.parametrize(
    ("stage", "end"),
    [(Stage.IN_PROGRESS, LOST), (Stage.RINGING, (Stage.RINGING, None, None, None))],
)
async def test_caller_gets_another_agent_while_it_rings(
    ours: Workspace, livekit: Any, inline_db: Any, stage: Stage, end: tuple[Any, ...]
) -> None:
    call, _ = talking(ours, direction="inbound", stage=stage), heard(ours)
    livekit.participants[call.room] = [callee_of(call, "active")]

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == end


async def test_nobody_is_judged_while_livekit_cannot_be_asked(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, _ = talking(ours), heard(ours)
    livekit.failures["list_participants"] = server_error(503)

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == GOES_ON


async def test_room_is_due_when_the_deletion_fails(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, _ = talking(ours), heard(ours)
    livekit.participants[call.room] = [callee_of(call, "active"), AGENT]
    livekit.failures["delete_room"] = server_error(503)

    await run(hearing_watch(), livekit, inline_db)

    assert end_of(call) == LOST
    assert Call.unscoped.get(pk=call.pk).room_delete_at is not None


async def test_livekit_is_asked_about_a_call_every_few_seconds_only(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = talking(ours)
    livekit.participants[call.room] = [callee_of(call, "active"), AGENT]
    watch = hearing_watch()

    await run(watch, livekit, inline_db)

    assert watch.find_suspects() == []


# --- what the agent and LiveKit report


@pytest.mark.django_db
def test_only_reports_of_life_make_an_agents_silence_mean_something(ours: Workspace) -> None:
    call = talking(ours, heard_ago=None)

    report(call, reported("agent_joined"))
    report(call, reported("agent_alive", callee_status="ringing"))
    report(call, reported("callee_answered"))
    before = Call.unscoped.get(pk=call.pk).agent_heard_at
    report(call, {**reported("agent_alive"), "at": "2026-01-01T00:00:00Z"})

    heard_at = Call.unscoped.get(pk=call.pk).agent_heard_at
    assert before is None
    # By our clock, whatever the agent's says.
    assert heard_at is not None
    assert database_now() - heard_at < timedelta(seconds=5)


@pytest.mark.django_db
def test_agents_departure_and_return_are_recorded(ours: Workspace) -> None:
    call = talking(ours)
    agent = {"identity": "agent-1", "kind": "AGENT", "disconnectReason": "CONNECTION_TIMEOUT"}

    webhooks.post(webhooks.event("participant_left", call, participant=agent))
    left_at = Call.unscoped.get(pk=call.pk).agent_left_at
    webhooks.post(webhooks.event("participant_joined", call, participant=agent))

    assert left_at is not None
    assert Call.unscoped.get(pk=call.pk).agent_left_at is None
