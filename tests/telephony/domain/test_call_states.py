"""The verbs that move a call: what they write, and what they leave alone."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from telephony.domain import call_states, late_evidence
from telephony.domain.dial_verdicts import BUSY, IN_DOUBT, RELEASED, TRUNK_GONE
from telephony.models import Call, CallEvent, Direction, Stage
from tests import make
from voiceops.core.clock import database_now

SECOND = timedelta(seconds=1)


def sent(of: Workspace, **fields: Any) -> Call:
    """A call whose intent was committed ten seconds ago."""
    return make.call(
        of, **{"stage": Stage.INTENT, "intent_at": database_now() - 10 * SECOND, **fields}
    )


def talking(of: Workspace, **fields: Any) -> Call:
    """A call that was dialled nine seconds ago and answered five seconds ago."""
    now = database_now()
    values = {
        "stage": Stage.IN_PROGRESS,
        "dialed_at": now - 9 * SECOND,
        "answered_at": now - 5 * SECOND,
        **fields,
    }
    return sent(of, **values)


def events_of(call: Call) -> list[str]:
    """The types of its events, in the order of the timeline."""
    return [event.type for event in CallEvent.unscoped.filter(call=call).order_by("at", "id")]


def test_callee_in_the_room_means_that_the_call_was_placed(ours: Workspace) -> None:
    call, now = sent(ours), database_now()

    call_states.mark_callee_joined(call, at=now, source="livekit")

    assert (call.stage, call.callee_joined_at, call.dialed_at) == (Stage.DIALING, now, now)
    assert events_of(call) == ["dialing"]


def test_callee_of_a_call_closed_as_never_sent_raises_an_alarm_once(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.ENDED)

    for _ in range(2):
        call_states.mark_callee_joined(call, at=database_now(), source="livekit")

    assert events_of(call) == ["alarm"]
    assert call.stage == Stage.ENDED


def test_answer_before_any_other_report_completes_the_timeline(ours: Workspace) -> None:
    call, now = sent(ours), database_now()

    assert call_states.mark_answered(call, at=now, source="dial", sip_call_id="SCL_1")

    assert (call.stage, call.answered_at, call.sip_status_code) == (Stage.IN_PROGRESS, now, 200)
    assert events_of(call) == ["dialing", "answered"]


def test_answer_of_a_browser_has_no_sip_status(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.RINGING, direction=Direction.INBOUND)

    call_states.mark_answered(call, at=database_now(), source="livekit")

    assert (call.is_web, call.sip_status_code) == (True, None)


def test_first_answer_sets_the_time_and_a_later_one_adds_the_sip_call(ours: Workspace) -> None:
    call, now = sent(ours), database_now()
    call_states.mark_answered(call, at=now, source="agent")

    moved = call_states.mark_answered(call, at=now + SECOND, source="dial", sip_call_id="SCL_1")

    call.refresh_from_db()
    assert (moved, call.answered_at, call.sip_call_id) == (False, now, "SCL_1")


def test_call_that_ended_unanswered_is_an_answered_one_once_its_answer_is_reported(
    ours: Workspace,
) -> None:
    """Whoever answered is not called again, so the batch has to settle the call once more."""
    call, now = sent(ours), database_now()
    call_states.mark_failed(call, verdict=BUSY, at=now)
    Call.unscoped.filter(pk=call.pk).update(settled_at=now)

    assert not call_states.mark_answered(call, at=now, source="agent")

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.counts) == (Stage.ENDED, "answered", True)
    assert (call.answered_at, call.settled_at) == (now, None)
    assert events_of(call) == ["dialing", "alarm", "answered", "ended"]


@pytest.mark.parametrize("by", ["operator", "agent"])
def test_call_that_our_side_hung_up_stays_cancelled(ours: Workspace, by: str) -> None:
    call, now = sent(ours), database_now()
    call_states.mark_cancelled(call, at=now, by=by)

    call_states.mark_answered(call, at=now, source="agent")

    call.refresh_from_db()
    assert (call.outcome, call.answered_at) == ("cancelled", None)
    assert "alarm" in events_of(call)


def test_ringing_that_is_reported_after_the_answer_comes_before_it(ours: Workspace) -> None:
    call = talking(ours)
    assert call.answered_at is not None

    assert not call_states.mark_ringing(call, at=database_now(), source="agent")

    call.refresh_from_db()
    assert call.ringing_at is not None
    assert call.answered_at is not None
    assert call.ringing_at < call.answered_at
    assert events_of(call) == ["ringing"]


@pytest.mark.parametrize(
    ("detected", "outcome"),
    [
        ("machine", "voicemail"),
        ("human", "answered"),
        ("uncertain", "answered"),
        (None, "answered"),
    ],
)
def test_detection_decides_the_outcome_of_an_answered_call(
    ours: Workspace, detected: str | None, outcome: str
) -> None:
    call = talking(ours, detected=detected)

    assert call_states.mark_hung_up(call, at=database_now(), reason="callee_hangup", by="callee")

    assert (call.stage, call.outcome, call.hung_up_by) == (Stage.ENDED, outcome, "callee")


def test_call_that_was_never_answered_cannot_be_hung_up(ours: Workspace) -> None:
    assert not call_states.mark_hung_up(sent(ours), at=database_now(), reason="callee_hangup")


def test_end_is_not_before_the_answer(ours: Workspace) -> None:
    call = talking(ours)

    call_states.mark_hung_up(call, at=database_now() - timedelta(hours=1), reason="callee_hangup")

    assert call.ended_at == call.answered_at


def test_detection_is_not_lost_when_the_call_is_ended_with_an_older_copy(ours: Workspace) -> None:
    call, now = talking(ours), database_now()
    older = Call.unscoped.get(pk=call.pk)
    call_states.mark_detected(call, kind="machine", at=now)

    assert call_states.mark_hung_up(older, at=now, reason="left_unnoticed", source="livekit")

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.detected) == ("ended", "voicemail", "machine")
    event = CallEvent.unscoped.get(call=call, type="ended")
    assert event.data["outcome"] == "voicemail"
    assert not call_states.mark_hung_up(older, at=now, reason="left_unnoticed", source="livekit")


@pytest.mark.parametrize(
    ("settled", "outcome", "alarms"), [(False, "voicemail", 0), (True, "answered", 1)]
)
def test_late_detection_counts_until_the_batch_has_settled_the_call(
    ours: Workspace, settled: bool, outcome: str, alarms: int
) -> None:
    call, now = talking(ours), database_now()
    call_states.mark_hung_up(call, at=now, reason="callee_hangup")
    Call.unscoped.filter(pk=call.pk).update(settled_at=now if settled else None)

    call_states.mark_detected(call, kind="machine", at=now)

    call.refresh_from_db()
    assert call.outcome == outcome
    assert events_of(call).count("alarm") == alarms


@pytest.mark.parametrize("kind", ["human", "uncertain"])
def test_late_detection_that_agrees_with_the_settled_outcome_is_kept_without_an_alarm(
    ours: Workspace, kind: str
) -> None:
    call, now = talking(ours), database_now()
    call_states.mark_hung_up(call, at=now, reason="callee_hangup")
    Call.unscoped.filter(pk=call.pk).update(settled_at=now)

    call_states.mark_detected(call, kind=kind, at=now)

    call.refresh_from_db()
    assert (call.outcome, call.detected) == ("answered", kind)
    assert events_of(call) == ["ended"]


def test_failed_call_that_was_sent_has_the_time_of_its_dial(ours: Workspace) -> None:
    call = sent(ours)

    call_states.mark_failed(
        call, verdict=BUSY, at=database_now(), sip_status_code=486, sip_status="Busy Here"
    )

    assert (call.outcome, call.counts, call.dialed_at) == ("busy", True, call.intent_at)
    assert events_of(call) == ["dialing", "ended"]


@pytest.mark.parametrize("verdict", [RELEASED, TRUNK_GONE])
def test_failed_call_that_was_not_sent_has_no_dial(ours: Workspace, verdict: Any) -> None:
    call = sent(ours)

    call_states.mark_failed(call, verdict=verdict, at=database_now())

    assert (call.counts, call.dialed_at) == (False, None)
    assert events_of(call) == ["ended"]


def test_call_that_has_moved_on_does_not_fail(ours: Workspace) -> None:
    call = talking(ours)

    assert not call_states.mark_failed(call, verdict=IN_DOUBT, at=database_now())
    assert events_of(call) == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"stage": Stage.RESERVED, "intent_at": None}, "Hung up before it was dialled"),
        ({"stage": Stage.RINGING}, "Hung up before it was answered"),
    ],
)
def test_cancelled_call_records_how_far_it_had_come(
    ours: Workspace, fields: dict[str, Any], text: str
) -> None:
    call = sent(ours, **fields)

    assert call_states.mark_cancelled(
        call, at=database_now(), by="operator", since=Stage.unanswered()
    )

    assert (call.outcome, call.hung_up_by) == ("cancelled", "operator")
    assert CallEvent.unscoped.get(call=call).text == text


def test_queued_call_is_not_cancelled_unless_its_stage_is_named(ours: Workspace) -> None:
    call = make.call(ours)

    assert not call_states.mark_cancelled(call, at=database_now(), by="operator")


def test_who_hung_up_is_filled_in_where_a_webhook_ended_the_call(ours: Workspace) -> None:
    call, now = talking(ours), database_now()
    call_states.mark_hung_up(call, at=now, reason="hung_up", source="livekit")

    late_evidence.fill_in_hangup(call, by="callee", reason="callee_hangup", at=now - SECOND)

    call.refresh_from_db()
    assert (call.hung_up_by, call.end_reason, call.ended_at) == (
        "callee",
        "callee_hangup",
        now - SECOND,
    )
    assert CallEvent.unscoped.get(call=call).text == "The callee hung up"


def test_who_hung_up_is_not_replaced(ours: Workspace) -> None:
    call, now = talking(ours), database_now()
    call_states.mark_hung_up(call, at=now, reason="agent_hangup", by="agent")

    late_evidence.fill_in_hangup(call, by="callee", reason="callee_hangup", at=now)

    assert Call.unscoped.get(pk=call.pk).hung_up_by == "agent"


@pytest.mark.parametrize("webhook_first", [False, True])
def test_transferred_call_ended_by_the_operator(ours: Workspace, webhook_first: bool) -> None:
    call, now = talking(ours), database_now()
    if webhook_first:
        call_states.mark_hung_up(
            Call.unscoped.get(pk=call.pk), at=now, reason="hung_up", source="livekit"
        )

    call_states.mark_transferred(call, to="+12025550199", at=now)

    call.refresh_from_db()
    assert (call.end_reason, call.hung_up_by) == ("transferred", "operator")
    assert CallEvent.unscoped.get(call=call).text == "Transferred to +12025550199"
