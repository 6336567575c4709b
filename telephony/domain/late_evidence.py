"""Evidence that comes after a call has ended: what it may still change.

An answer is never overruled by an end that did not know of it, the time of an end that no source
saw is an estimate until one reports it, and who hung up may be added. Everything else is an alarm.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce

from telephony.domain.descriptions import describe_end
from telephony.domain.dial_verdicts import AGENT_LOST, NEVER_RANG, Verdict
from telephony.domain.latest_ends import ending_by_the_clock
from telephony.domain.timeline import (
    TICK,
    add_event,
    clamp_to_timeline,
    raise_alarm,
    rewrite_end_event,
)
from telephony.models import Call, Outcome, Stage

# The reason of an end that no source saw: its time is an estimate.
LEFT_UNNOTICED = "left_unnoticed"
# By how much an agent's clock may be behind ours.
CLOCK_TOLERANCE = timedelta(seconds=5)
# LiveKit's words for a room that was deleted: they say neither by whom nor why.
ROOM_ENDS = ("room_deleted", "room_closed")
# Nobody hung up, the room was deleted, and only the agent's side knows why.
EXPLAINED_ENDS = ("agent_crashed", "provider_failed")
ANSWERED_AFTER_THE_END = "An answer was reported after the call had ended unanswered"


def accept_late_answer(call: Call, *, at: datetime, source: str) -> bool:
    """Make a call that had ended unanswered an answered one. False when it changed nothing.

    Whoever answered is not called again, so the batch settles the call once more. A call that our
    side hung up stays cancelled, which ends its recipient, too.
    """
    raise_alarm(call, at=at, text=ANSWERED_AFTER_THE_END, source=source)
    ended_at = max(call.ended_at or at, at)
    outcome = Outcome.VOICEMAIL if call.detected == "machine" else Outcome.ANSWERED
    changes: dict[str, Any] = {
        "outcome": outcome,
        "end_reason": LEFT_UNNOTICED,
        "counts": True,
        "answered_at": at,
        "ended_at": ended_at,
        "settled_at": None,
    }
    if not call.is_web:
        changes |= {"sip_status_code": 200, "sip_status": "OK"}
    unanswered = Call.unscoped.filter(
        pk=call.pk, stage=Stage.ENDED, answered_at=None, hung_up_by=None
    )
    if not unanswered.update(**changes, dialed_at=Coalesce("dialed_at", "intent_at", at)):
        return False
    text = f"{call.to_number} answered"
    add_event(call, type="answered", text=text, at=at, data={"source": source})
    text = "The call was over"
    rewrite_end_event(call, text=text, at=ended_at + TICK, outcome=outcome, reason=LEFT_UNNOTICED)
    call.refresh_from_db()
    return True


def correct_answer_time(call: Call, *, at: datetime) -> None:
    """Move the answer of an ended call back to `at`, where only its end had proved the answer."""
    if call.answered_at is None or call.answered_at != call.ended_at:
        return
    rang_at = call.ringing_at and call.ringing_at + TICK
    at = max(moment for moment in (at, call.dialed_at, rang_at) if moment is not None)
    if at >= call.answered_at:
        return
    unknown = Call.unscoped.filter(pk=call.pk, answered_at=call.answered_at)
    if unknown.update(answered_at=at):
        call.answered_at = at
        call.events.filter(type="answered").update(at=at)


def correct_end(call: Call, *, at: datetime, reason: str, by: str | None = None) -> bool:
    """Set when, why and by whom a call ended whose end no source had seen."""
    reason, by = ending_by_the_clock(call, at, reason, by)
    ended_at = clamp_to_timeline(call, at)
    estimated = Call.unscoped.filter(
        pk=call.pk, stage=Stage.ENDED, end_reason=LEFT_UNNOTICED, answered_at__isnull=False
    )
    with transaction.atomic(savepoint=False):
        if not estimated.update(ended_at=ended_at, end_reason=reason, hung_up_by=by):
            return False
        text = None if reason == LEFT_UNNOTICED else describe_end(call, by, reason)
        rewrite_end_event(call, text=text, at=ended_at, reason=reason)
    call.ended_at, call.end_reason, call.hung_up_by = ended_at, reason, by
    return True


def fill_in_hangup(call: Call, *, by: str | None, reason: str, at: datetime) -> None:
    """Add who hung up or why, and when, to a call that a coarser source ended, keeping the
    outcome.
    """
    reason, by = ending_by_the_clock(call, at, reason, by)
    if call.end_reason == LEFT_UNNOTICED and correct_end(call, at=at, reason=reason, by=by):
        return
    explains = reason in EXPLAINED_ENDS and call.end_reason in ROOM_ENDS
    if call.ended_at is None or call.hung_up_by is not None or not (by or explains):
        return
    # We ended the call of a lost agent without it: it knows better only of an end before that.
    if call.end_reason == AGENT_LOST.reason and at > call.ended_at - CLOCK_TOLERANCE:
        return
    # A webhook's end is the time of its arrival, which is later.
    ended_at = min(clamp_to_timeline(call, at), call.ended_at)
    coarse = Call.unscoped.filter(
        pk=call.pk, stage=Stage.ENDED, hung_up_by=None, answered_at__isnull=False
    )
    with transaction.atomic(savepoint=False):
        if coarse.update(hung_up_by=by, end_reason=reason, ended_at=ended_at):
            call.hung_up_by, call.end_reason, call.ended_at = by, reason, ended_at
            rewrite_end_event(call, text=describe_end(call, by, reason), at=ended_at, reason=reason)


def mark_never_rang(call: Call) -> None:
    """Make a call to which the carrier did not react the callee's: it connects everybody else."""
    correct_unsettled_end(call, NEVER_RANG, reason=call.end_reason or NEVER_RANG.reason)


def correct_unsettled_end(call: Call, verdict: Verdict, reason: str | None = None) -> None:
    """Rewrite the end of a call that was not answered, as long as nothing follows from it yet."""
    unsettled = Call.unscoped.filter(
        pk=call.pk, stage=Stage.ENDED, answered_at=None, settled_at=None
    )
    reason = reason or verdict.reason
    changes = {"outcome": verdict.outcome, "end_reason": reason, "counts": verdict.counts}
    if unsettled.update(**changes):
        for column, value in changes.items():
            setattr(call, column, value)
        rewrite_end_event(
            call,
            text=verdict.description,
            outcome=verdict.outcome,
            reason=reason,
        )


def accept_crossing_answer(call: Call, at: datetime) -> bool:
    """Make the call whose dial we cancelled an answered one: the answer crossed our request.

    Who answered is never called again. False when the recipient has been settled without it.
    """
    answered_at = min(at, call.ended_at or at)
    unsettled = Call.unscoped.filter(
        pk=call.pk, stage=Stage.ENDED, answered_at=None, settled_at=None
    )
    if not unsettled.update(answered_at=answered_at, outcome=Outcome.ANSWERED, counts=True):
        return False
    call.answered_at = answered_at
    call.outcome = Outcome.ANSWERED
    text = describe_end(call, None, call.end_reason)
    rewrite_end_event(call, text=text, outcome=Outcome.ANSWERED)
    text = f"{call.to_number} answered"
    add_event(call, type="answered", text=text, at=answered_at - TICK, data={"source": "dial"})
    return True
