from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from telephony.models import Call, Outcome, Stage
from tests import make
from tests.telephony.calls.livekit import report, reported
from tests.telephony.calls.reported_calls import sent, talking, timeline


def test_agent_joining_is_recorded(ours: Workspace) -> None:
    call = make.call(ours)

    response = report(call, reported("agent_joined"))

    call.refresh_from_db()
    assert (response.status_code, response.json()) == (200, {"detail": "Received"})
    assert call.agent_joined_at is not None
    assert call.agent_seen_at is not None
    assert call.heard_at is not None
    assert timeline(call) == [("agent_joined", "The voice agent joined the room")]


def test_agent_activity_is_recorded_once_a_second(ours: Workspace) -> None:
    call = talking(ours)
    turn = {
        "role": "agent",
        "text": "Hello",
        "started_at": timezone.now().isoformat(),
        "interrupted": False,
    }
    report(call, reported("agent_joined"))
    call.refresh_from_db()
    first = call.agent_seen_at

    report(call, reported("turn", **turn))
    call.refresh_from_db()
    soon = call.agent_seen_at
    Call.unscoped.update(agent_seen_at=timezone.now() - timedelta(seconds=2))
    report(call, reported("turn", **turn))
    call.refresh_from_db()

    assert first is not None
    assert soon == first
    assert call.agent_seen_at is not None
    assert call.agent_seen_at >= first


def test_agent_activity_is_no_later_than_its_own_clock(ours: Workspace) -> None:
    call = make.call(ours)
    then = timezone.now() - timedelta(seconds=90)

    report(call, {**reported("agent_alive"), "at": then.isoformat()})

    call.refresh_from_db()
    assert call.agent_seen_at is not None
    assert abs(call.agent_seen_at - then) < timedelta(milliseconds=10)


def test_late_sign_of_life_does_not_move_the_time_back(ours: Workspace) -> None:
    call = make.call(ours)
    report(call, reported("agent_alive"))
    call.refresh_from_db()
    seen = call.agent_seen_at

    report(call, {**reported("agent_alive"), "at": "2026-01-01T00:00:00Z"})

    call.refresh_from_db()
    assert call.agent_seen_at == seen


def test_sign_of_life_costs_one_query_and_no_row(
    ours: Workspace, django_assert_num_queries: Any
) -> None:
    call = make.call(ours)

    with django_assert_num_queries(1):
        report(call, reported("agent_alive"))

    assert call.events.count() == 0


def test_whole_conversation_is_recorded_in_order(ours: Workspace) -> None:
    call = sent(ours)

    report(call, reported("callee_joined"))
    report(call, reported("callee_answered"))
    report(call, reported("detected", kind="human"))
    report(
        call,
        reported("turn", role="agent", text="Hello!", started_at="2026-11-23T10:00:00Z"),
        reported(
            "turn", role="user", text="Hi", started_at="2026-11-23T10:00:02Z", interrupted=True
        ),
        reported("tool_call", name="book", arguments={"day": "Tuesday"}, result="booked"),
        reported("usage", llm={"input_tokens": 33}),
        reported("callee_left", reason="callee_hangup"),
    )
    report(call, reported("ended", reason="callee_hangup"))

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.end_reason) == (
        Stage.ENDED,
        Outcome.ANSWERED,
        "callee_hangup",
    )
    assert (call.hung_up_by, call.detected) == ("callee", "human")
    assert list(call.turns.order_by("started_at").values_list("role", "text", "interrupted")) == [
        ("agent", "Hello!", False),
        ("user", "Hi", True),
    ]
    assert {kind for kind, _ in timeline(call)} == {
        "dialing",
        "answered",
        "detected",
        "tool_call",
        "usage",
        "ended",
    }
    assert call.events.get(type="tool_call").data == {
        "name": "book",
        "arguments": {"day": "Tuesday"},
        "result": "booked",
    }


def test_repeated_reports_change_nothing(ours: Workspace) -> None:
    call = sent(ours)
    events = [
        reported("agent_joined"),
        reported("callee_joined"),
        reported("callee_answered"),
        reported("turn", role="agent", text="Hello!", started_at="2026-11-23T10:00:00Z"),
        reported("detected", kind="machine"),
        reported("callee_left", reason="agent_hangup"),
        reported("ended", reason="agent_hangup"),
    ]
    report(call, *events)
    before = (timeline(call), Call.unscoped.filter(pk=call.pk).values().get())

    for _ in range(3):
        report(call, *events)
        report(call, *reversed(events))

    assert (timeline(call), Call.unscoped.filter(pk=call.pk).values().get()) == before
    assert call.turns.count() == 1


@pytest.mark.parametrize(
    ("reason", "by", "end_reason"),
    [
        ("callee_hangup", "callee", "callee_hangup"),
        ("agent_hangup", "agent", "agent_hangup"),
        ("max_duration", "agent", "max_duration"),
        ("room_deleted", None, "room_deleted"),
        ("client_initiated", None, "hung_up"),
    ],
)
def test_agent_reports_who_hung_up(
    ours: Workspace, reason: str, by: str | None, end_reason: str
) -> None:
    call = talking(ours)

    report(call, reported("ended", reason=reason))

    call.refresh_from_db()
    assert (call.stage, call.hung_up_by, call.end_reason) == (Stage.ENDED, by, end_reason)


def test_long_reason_is_cut_without_losing_other_events(ours: Workspace) -> None:
    call = talking(ours)
    turn = {
        "role": "agent",
        "text": "Goodbye",
        "started_at": timezone.now().isoformat(),
        "interrupted": False,
    }

    response = report(
        call,
        reported("turn", **turn),
        reported("callee_left", reason="worker_crashed_" * 50),
        reported("ended", reason="worker_crashed_" * 50),
    )

    call.refresh_from_db()
    assert response.status_code == 200
    assert (call.stage, call.end_reason) == (Stage.ENDED, ("worker_crashed_" * 50)[:64])
    assert [turn.text for turn in call.turns.all()] == ["Goodbye"]


def test_ringing_is_reported_by_a_sign_of_life(ours: Workspace) -> None:
    call = sent(ours)
    report(call, reported("callee_joined"))

    report(call, reported("agent_alive", callee_status="ringing"))
    report(call, reported("agent_alive", callee_status="ringing"))

    call.refresh_from_db()
    assert (call.stage, call.dialed_at is not None, call.ringing_at is not None) == (
        Stage.RINGING,
        True,
        True,
    )
    assert timeline(call)[1:] == [("ringing", f"{call.to_number} is ringing")]


def test_analysis_is_available_once_reported(ours: Workspace, theirs: Workspace) -> None:
    call = talking(ours)
    path = f"/calls/{call.pk}/analysis"
    before = make.client(ours).get(path)
    found = reported("analysis", summary="They agreed.", fields={"mood": "good"})

    report(call, found)
    report(call, found)

    after = make.client(ours).get(path)
    assert (before.status_code, before.json()) == (404, {"detail": "Analysis not found"})
    assert after.status_code == 200
    assert after.json() == {
        "summary": "They agreed.",
        "fields": {"mood": "good"},
        "analyzed_at": found["at"],
    }
    assert timeline(call) == [("analysis", "The agent analysed the call")]
    assert make.client(theirs).get(path).json() == {"detail": "Call not found"}
