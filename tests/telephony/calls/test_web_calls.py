from datetime import timedelta

import jwt
import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Workspace
from telephony.clients.livekit.rooms import Participant
from telephony.dialing import polling
from telephony.models import Call, Stage
from telephony.services.web_calls import conclude_web_call
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.calls import livekit
from worker import sweep


def test_browser_gets_a_token_for_one_room_and_ten_minutes(
    ours: Workspace, box: RunningSandbox
) -> None:
    agent = make.agent(ours)

    response = make.client(ours).post("/calls/web", {"agent_id": str(agent.pk)})

    opened = response.json()
    claims = jwt.decode(opened["token"], options={"verify_signature": False})
    call = make.client(ours).get(f"/calls/{opened['call_id']}").json()
    assert response.status_code == 201
    assert set(opened) == {"call_id", "url", "token", "room"}
    assert opened["url"] == box.url.replace("http", "ws")
    assert claims["video"] == {
        "roomJoin": True,
        "room": opened["room"],
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": False,
    }
    assert 590 <= claims["exp"] - claims["nbf"] <= 600
    assert claims["sub"] == f"callee-{opened['call_id']}"
    assert (call["direction"], call["status"]) == ("inbound", "ringing")
    assert [room["room"]["name"] for room in box.rooms()] == [opened["room"]]


def test_call_is_in_progress_when_the_browser_joins(ours: Workspace, box: RunningSandbox) -> None:
    opened = make.client(ours).post("/calls/web", {"agent_id": str(make.agent(ours).pk)}).json()
    browser = {"identity": f"callee-{opened['call_id']}", "kind": "STANDARD"}

    livekit.post(livekit.event("participant_joined", opened["room"], participant=browser))
    talking = make.client(ours).get(f"/calls/{opened['call_id']}").json()
    left = {**browser, "disconnectReason": "CLIENT_INITIATED"}
    livekit.post(livekit.event("participant_left", opened["room"], participant=left))
    over = make.client(ours).get(f"/calls/{opened['call_id']}").json()

    assert (talking["status"], over["status"], over["outcome"]) == (
        "in_progress",
        "ended",
        "answered",
    )


def test_silent_browser_in_the_room_is_not_hung_up(ours: Workspace) -> None:
    now = timezone.now()
    of_the_web = {
        "direction": "inbound",
        "from_number": "web",
        "heard_at": now - timedelta(minutes=1),
    }
    call = make.call(
        ours, stage=Stage.IN_PROGRESS, answered_at=now - timedelta(minutes=2), **of_the_web
    )
    browser = Participant(identity=call.callee_identity, attributes={}, is_callee=False)
    agent = Participant(identity="agent-AJ_1", attributes={}, is_callee=False)

    polling.record_presence(call, [browser, agent])
    call.refresh_from_db()
    with_browser = call.stage, call.heard_at is not None and call.heard_at > now
    polling.record_presence(call, [agent])
    call.refresh_from_db()

    assert with_browser == (Stage.IN_PROGRESS, True)
    assert (call.stage, call.end_reason) == (Stage.ENDED, "left_unnoticed")


def test_unused_web_call_is_closed_when_its_token_has_expired(
    ours: Workspace, box: RunningSandbox
) -> None:
    client = make.client(ours)
    opened = client.post("/calls/web", {"agent_id": str(make.agent(ours).pk)}).json()
    token = jwt.decode(opened["token"], options={"verify_signature": False})
    usable = token["exp"] + 60 - timezone.now().timestamp()  # LiveKit's leeway

    Call.unscoped.update(created_at=timezone.now() - timedelta(seconds=usable + 1))
    sweep.sweep()
    still = client.get(f"/calls/{opened['call_id']}").json()["status"]
    Call.unscoped.update(created_at=timezone.now() - timedelta(seconds=usable + 15))
    sweep.sweep()

    call = client.get(f"/calls/{opened['call_id']}").json()
    assert still == "ringing"
    assert (call["status"], call["outcome"], call["end_reason"]) == (
        "ended",
        "cancelled",
        "nobody_joined",
    )
    assert call["hung_up_by"] is None
    assert box.rooms() == []
    [line] = Call.unscoped.get().events.filter(type="ended")
    assert line.text == "Nobody joined the test call before its link expired"


def test_room_outlives_the_browsers_token(ours: Workspace, box: RunningSandbox) -> None:
    opened = make.client(ours).post("/calls/web", {"agent_id": str(make.agent(ours).pk)}).json()
    token = jwt.decode(opened["token"], options={"verify_signature": False})

    [room] = box.rooms()

    assert int(room["room"]["creation_time"]) + room["room"]["empty_timeout"] > token["exp"] + 60


def test_browser_that_joined_at_the_last_moment_stays_connected(ours: Workspace) -> None:
    call = make.call(ours, direction="inbound", from_number="web", stage=Stage.RINGING)
    browser = Participant(identity=call.callee_identity, attributes={}, is_callee=False)
    agent = Participant(identity="agent-AJ_1", attributes={}, is_callee=False)

    is_joined = conclude_web_call(call, [agent, browser])

    call.refresh_from_db()
    assert (is_joined, call.stage, call.outcome) == (True, Stage.IN_PROGRESS, None)


@pytest.mark.parametrize(("minutes", "stage"), [(12, Stage.RINGING), (17, Stage.ENDED)])
def test_web_call_stays_open_for_five_minutes_more_while_livekit_is_unreachable(
    ours: Workspace, transactional_db: None, settings: Settings, minutes: int, stage: Stage
) -> None:
    settings.LIVEKIT_URL = "http://127.0.0.1:9"
    call = make.call(ours, direction="inbound", from_number="web", stage=Stage.RINGING)
    Call.unscoped.update(created_at=timezone.now() - timedelta(minutes=minutes))

    sweep.sweep()

    call.refresh_from_db()
    assert call.stage == stage


def test_unpublished_agent_gets_no_web_call(ours: Workspace, box: RunningSandbox) -> None:
    agent = make.agent(ours, published=False)

    response = make.client(ours).post("/calls/web", {"agent_id": str(agent.pk)})

    assert (response.status_code, response.json()) == (400, {"detail": "Agent is not published"})
    assert box.rooms() == []
