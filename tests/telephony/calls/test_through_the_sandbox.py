"""Calls from order to recording, with the real clients, a sandbox and a live server."""

import threading
from typing import Any

import pytest
import requests
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Workspace
from telephony.models import Call, PhoneNumber, Stage
from telephony.services.call_control import hang_up
from telephony.services.numbers import NumberOrder, register_number
from telephony.services.trunk_config import SipSettings
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.dialled_calls import dialling, follow, placed

pytestmark = pytest.mark.slow


@pytest.fixture
def number(ours: Workspace, box: RunningSandbox) -> PhoneNumber:
    order = NumberOrder(
        "+12025550100", sip=SipSettings(address="sip.example.com"), calls_per_second=20
    )
    return register_number(workspace=ours, order=order)


def test_answered_call_has_timeline_transcript_and_recording(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    client = make.client(ours)
    call_id = placed(ours, "+12025550110", first_message="Hello {{first_name}}!")

    with dialling():
        call = follow(box, ours, call_id)
        box.wait_for(lambda: client.get(f"/calls/{call_id}").json()["has_recording"])
        hung_up_by = box.wait_for(
            lambda: client.get(f"/calls/{call_id}").json()["hung_up_by"]
        )  # reported by the agent

    call = client.get(f"/calls/{call_id}").json()
    moments = [
        call[name] for name in ("created_at", "dialed_at", "ringing_at", "answered_at", "ended_at")
    ]
    timeline = [event["type"] for event in client.get(f"/calls/{call_id}/events").json()["items"]]
    turns = client.get(f"/calls/{call_id}/transcript").json()["turns"]
    link = client.get(f"/calls/{call_id}/recording").json()["url"]
    recording = requests.get(link, timeout=10)
    assert (call["outcome"], call["sip_status_code"], call["sip_status"]) == ("answered", 200, "OK")
    assert moments == sorted(moments)
    assert hung_up_by in ("callee", "agent")
    assert timeline[:2] == ["queued", "agent_joined"]
    assert {"dialing", "ringing", "answered", "detected", "ended", "recording_ready"} <= set(
        timeline
    )
    assert len(turns) >= 4
    assert turns[0]["text"] == "Hello Ada!"
    assert recording.status_code == 200
    assert recording.content[:4] == b"OggS"
    assert [dial["number"] for dial in box.dials()] == ["+12025550110"]


def test_recording_is_stored_in_the_bucket_under_its_workspace(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, bucket: Any
) -> None:
    client = make.client(ours)
    call_id = placed(ours, "+12025550110")

    with dialling():
        box.wait_for(lambda: client.get(f"/calls/{call_id}").json()["has_recording"], timeout=20)

    link = client.get(f"/calls/{call_id}/recording").json()["url"]
    [stored] = bucket.list_objects_v2(Bucket="recordings")["Contents"]
    assert stored["Key"] == f"recordings/{ours.pk}/{call_id}.ogg"
    assert requests.get(link, timeout=10).content[:4] == b"OggS"


@pytest.mark.parametrize(
    ("to", "outcome", "sip_status_code"),
    [
        ("+12025550162", "no_answer", None),
        ("+12025550171", "busy", 486),
        ("+12025550176", "voicemail", 200),
        ("+12025550181", "declined", 603),
        ("+12025550186", "invalid_number", 404),
        ("+12025550198", "blocked", 607),
    ],
)
def test_each_sandbox_number_has_its_outcome(
    ours: Workspace,
    box: RunningSandbox,
    number: PhoneNumber,
    to: str,
    outcome: str,
    sip_status_code: int | None,
) -> None:
    call_id = placed(ours, to)

    with dialling():
        call = follow(box, ours, call_id)

    assert (call["outcome"], call["sip_status_code"]) == (outcome, sip_status_code)


def test_hanging_up_a_queued_call_prevents_the_dial(ours: Workspace, box: RunningSandbox) -> None:
    make.phone_number(ours)
    call_id = placed(ours, "+12025550110")
    client = make.client(ours)

    response = client.post(f"/calls/{call_id}/hangup")
    again = client.post(f"/calls/{call_id}/hangup")

    body = response.json()
    assert response.status_code == 200
    assert (body["status"], body["outcome"], body["hung_up_by"]) == (
        "ended",
        "cancelled",
        "operator",
    )
    assert (again.status_code, again.json()) == (400, {"detail": "Call has ended"})
    assert box.dials() == []


@pytest.mark.parametrize(
    ("to", "status", "outcome"),
    [("+12025550110", "in_progress", "answered"), ("+12025550165", "dialing", "cancelled")],
)
def test_hanging_up_ends_the_phone_call(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, to: str, status: str, outcome: str
) -> None:
    call_id = placed(ours, to)

    with dialling():
        follow(box, ours, call_id, status)
        response = make.client(ours).post(f"/calls/{call_id}/hangup")
        box.wait_for(lambda: all(call["status"] == "ended" for call in box.calls()))

    body = response.json()
    assert response.status_code == 200
    assert (body["status"], body["outcome"], body["hung_up_by"]) == ("ended", outcome, "operator")
    assert make.client(ours).get(f"/calls/{call_id}").json()["outcome"] == outcome


def test_a_refused_key_is_reported_as_such(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, settings: Settings
) -> None:
    settings.LIVEKIT_API_SECRET = "another secret, long enough for the algorithm"
    call_id = placed(ours, "+12025550110")

    with dialling():
        call = follow(box, ours, call_id)

    timeline = make.client(ours).get(f"/calls/{call_id}/events").json()["items"]
    assert (call["outcome"], call["end_reason"], call["dialed_at"]) == (
        "trunk_error",
        "livekit_key_refused",
        None,
    )
    assert timeline[-1]["text"] == "LiveKit refused our API key"
    assert box.dials() == []


def test_hanging_up_waits_for_a_dial_in_progress(ours: Workspace, box: RunningSandbox) -> None:
    call = make.call(ours)
    Call.unscoped.filter(pk=call.pk).update(stage=Stage.INTENT, intent_at=timezone.now())

    def send() -> None:
        Call.unscoped.filter(pk=call.pk).update(stage=Stage.DIALING, dialed_at=timezone.now())
        connections.close_all()

    sender = threading.Timer(0.3, send)
    sender.start()
    hang_up(call=call)
    sender.join()

    call.refresh_from_db()
    assert call.outcome == "cancelled"
    assert call.dialed_at is not None
    assert call.ended_at is not None
    assert call.ended_at >= call.dialed_at
    assert list(call.events.values_list("text", flat=True)) == ["Hung up before it was answered"]


def test_transfer_connects_the_callee_to_the_other_number(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    call_id = placed(ours, "+12025550110")
    client = make.client(ours)

    with dialling():
        follow(box, ours, call_id, "in_progress")
        response = client.post(f"/calls/{call_id}/transfer", {"to": "+12025550111"})
        call = follow(box, ours, call_id)

    assert response.status_code == 200, response.json()
    assert (call["outcome"], call["end_reason"], call["hung_up_by"]) == (
        "answered",
        "transferred",
        "operator",
    )


def test_an_exchange_is_dialled_as_it_wants_and_the_call_stays_e164(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    sip = {"dial_format": "national", "dial_prefix": "9"}
    make.client(ours).patch(f"/phone-numbers/{number.pk}", {"sip": sip})
    call_id = placed(ours, "+12025550186")

    with dialling():
        call = follow(box, ours, call_id)

    assert [dial["number"] for dial in box.dials()] == ["92025550186"]
    assert (call["to"], call["from"]) == ("+12025550186", "+12025550100")
    assert (call["outcome"], call["sip_status_code"]) == ("invalid_number", 404)


def test_a_transfer_is_dialled_as_the_exchange_wants(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    sip = {"dial_format": "national", "dial_prefix": "9"}
    make.client(ours).patch(f"/phone-numbers/{number.pk}", {"sip": sip})
    call_id = placed(ours, "+12025550195")

    with dialling():
        follow(box, ours, call_id, "in_progress")
        response = make.client(ours).post(f"/calls/{call_id}/transfer", {"to": "+12025550171"})

    sentence = "LiveKit SIP error: call transfer failed: sip status: 486: Busy Here"
    assert (response.status_code, response.json()) == (500, {"detail": sentence})


def test_transfer_to_a_busy_line_leaves_the_call_up(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    call_id = placed(ours, "+12025550110")
    client = make.client(ours)

    with dialling():
        follow(box, ours, call_id, "in_progress")
        response = client.post(f"/calls/{call_id}/transfer", {"to": "+12025550171"})
        still = client.get(f"/calls/{call_id}").json()["status"]

    sentence = "LiveKit SIP error: call transfer failed: sip status: 486: Busy Here"
    assert (response.status_code, response.json()) == (500, {"detail": sentence})
    assert still == "in_progress"


def test_transfer_to_a_suppressed_number_is_refused(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    call_id = placed(ours, "+12025550110")
    make.suppression(ours, phone_number="+12025550111")
    client = make.client(ours)

    with dialling():
        follow(box, ours, call_id, "in_progress")
        response = client.post(f"/calls/{call_id}/transfer", {"to": "+12025550111"})
        still = client.get(f"/calls/{call_id}").json()["status"]

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "The number is on the suppression list"},
    )
    assert still == "in_progress"


def test_keys_are_pressed_during_the_call(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    call_id = placed(ours, "+12025550110")
    client = make.client(ours)
    early = client.post(f"/calls/{call_id}/dtmf", {"digits": "12#"})

    with dialling():
        follow(box, ours, call_id, "in_progress")
        pressed = client.post(f"/calls/{call_id}/dtmf", {"digits": "12#"})

    assert (early.status_code, early.json()) == (400, {"detail": "Call is not in progress"})
    assert pressed.status_code == 200
    assert (
        Call.unscoped.get().events.filter(type="dtmf").values_list("text", flat=True).get()
        == "Pressed 12#"
    )
