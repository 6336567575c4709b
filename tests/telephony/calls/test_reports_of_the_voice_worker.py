"""What `voice/` reports beyond the first agents: kept in the timeline, and named in the end."""

from typing import Any

import pytest

from accounts.models import Workspace
from telephony.models import Outcome
from tests.telephony.calls.livekit import report, reported
from tests.telephony.calls.reported_calls import talking, timeline


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (
            "message_left",
            {"complete": True},
            "The agent left a message on the answering machine",
        ),
        (
            "message_left",
            {"complete": False},
            "The agent left a part of a message on the answering machine",
        ),
        (
            "transfer",
            {"to": "+12025550123", "status": "transferred"},
            "The agent transferred the callee to +12025550123",
        ),
        (
            "transfer",
            {"to": "+12025550123", "status": "failed", "sip_status_code": 486},
            "The agent could not transfer the callee to +12025550123",
        ),
        ("dtmf", {"digits": "12#"}, "The callee pressed 12#"),
        (
            "error",
            {"part": "tts", "provider": "elevenlabs", "text": "APIError", "fallback": True},
            "Something failed at elevenlabs",
        ),
    ],
)
def test_an_event_is_kept_with_its_data(
    kind: str, data: dict[str, Any], text: str, ours: Workspace
) -> None:
    call = talking(ours)

    response = report(call, reported(kind, **data))

    assert response.status_code == 200
    assert (kind, text) in timeline(call)
    assert call.events.get(type=kind).data == data


def test_further_fields_of_known_events_are_kept(ours: Workspace) -> None:
    call = talking(ours)
    detected = {
        "kind": "human",
        "reason": "short greeting",
        "seconds": 1.2,
        "transcript": "Hello?",
    }
    used = {"name": "book", "arguments": {}, "result": "", "call_id": "c", "seconds": 1}
    used |= {"failed": True}

    response = report(
        call,
        reported("agent_joined", worker={"id": "w1", "version": "1"}),
        reported("detected", **detected),
        reported("tool_call", **used),
    )

    assert response.status_code == 200
    kept = {event.type: event.data for event in call.events.all()}
    assert kept["agent_joined"] == {"worker": {"id": "w1", "version": "1"}}
    assert kept["detected"] == detected
    assert kept["tool_call"] == used


@pytest.mark.parametrize(
    "reason", ["silence", "voicemail", "screened", "transferred", "agent_stopped"]
)
def test_an_end_by_the_agent_names_its_reason(reason: str, ours: Workspace) -> None:
    call = talking(ours)

    report(call, reported("ended", reason=reason))

    call.refresh_from_db()
    assert (call.end_reason, call.hung_up_by) == (reason, "agent")
    assert call.outcome == Outcome.ANSWERED


@pytest.mark.parametrize("reason", ["agent_crashed", "provider_failed"])
def test_a_failure_of_the_agent_is_no_hang_up(reason: str, ours: Workspace) -> None:
    call = talking(ours)

    report(call, reported("ended", reason=reason))

    call.refresh_from_db()
    assert (call.end_reason, call.hung_up_by) == (reason, None)
