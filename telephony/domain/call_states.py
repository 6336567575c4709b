"""The verbs that move a call, each a compare-and-set that leaves an event in the timeline.

Four sources report on a call: the answer to our dial request, the agent, LiveKit's webhooks and a
poller; repeated, late and in any order. So a call only ever moves forward (reserved < intent <
dialing < ringing < in_progress < ended), and a report that contradicts an ended call raises an
alarm. `call_transitions` has every move as data, `late_evidence` what may change after the end.

A call that was not answered is ended by the answer to its dial as long as a dispatcher waits for
it, because only that answer carries the SIP status; webhooks do not distinguish busy, declined and
a refused trunk.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import CharField, DateTimeField, Q, QuerySet, UUIDField

from telephony.domain.call_transitions import (
    ANSWERED,
    CALLEE_JOINED,
    CANCELLED,
    FAILED,
    HUNG_UP,
    RINGING,
)
from telephony.domain.descriptions import describe_end, describe_failure
from telephony.domain.dial_verdicts import (
    AGENT_LOST,
    CARRIER_SILENT,
    CARRIER_UNREACHABLE,
    RING_TIMEOUT,
    Verdict,
)
from telephony.domain.late_evidence import (
    accept_crossing_answer,
    accept_late_answer,
    correct_answer_time,
    correct_unsettled_end,
)
from telephony.domain.latest_ends import ending_by_the_clock
from telephony.domain.room_deletion import deletion_time
from telephony.domain.timeline import (
    TICK,
    add_event,
    build_dialing_event,
    build_event,
    clamp_to_timeline,
    move_before_end,
    raise_alarm,
    rewrite_end_event,
    save_events,
)
from telephony.models import Call, CallEvent, Outcome, Stage
from voiceops.db.compiled_writes import CompiledUpdate

HUNG_UP_BEFORE_ANSWER = "hung_up_before_answer"
# Known from the dial's answer alone: LiveKit's webhooks do not carry them (sip#295).
SIP_DETAILS = ("sip_status_code", "sip_status", "provider_code")


def mark_callee_joined(call: Call, *, at: datetime, source: str) -> None:
    """Record that the callee is in the room: LiveKit joins them before it sends the INVITE.

    So the call was placed. On a call that was closed as never sent, this raises an alarm.
    """
    if call.stage == Stage.ENDED:
        # LiveKit lets the callee join before it finds out that it cannot connect to the carrier.
        if call.dialed_at is None and call.end_reason != CARRIER_UNREACHABLE.reason:
            raise_alarm(
                call,
                at=at,
                text="The callee was called after the attempt had been closed as never sent",
                source=source,
            )
        return
    joined_at = call.callee_joined_at or at
    dialed_at = call.dialed_at or at
    with transaction.atomic(savepoint=False):
        if CALLEE_JOINED.move(call, callee_joined_at=joined_at, dialed_at=dialed_at, heard_at=at):
            save_events(build_dialing_event(call, dialed_at, source))
        elif call.callee_joined_at is None:
            call.touch(at, callee_joined_at=joined_at, dialed_at=dialed_at)
            call.callee_joined_at = at


def mark_ringing(call: Call, *, at: datetime, source: str) -> bool:
    """Record that the callee's phone rings. Returns whether the call moved.

    When the answer or the end was reported first, only the timeline is completed.
    """
    # The reporter's clock may run behind ours, and a phone cannot ring before it is dialled.
    at = max(at, call.dialed_at or at)
    was_dialing = call.stage not in Stage.before_callee()
    with transaction.atomic(savepoint=False):
        moved = RINGING.move(call, ringing_at=at, heard_at=at, dialed_at=call.dialed_at or at)
        if moved or _record_earlier_ringing(call, at):
            is_first = moved and not was_dialing
            # Built first: of events of one moment, ids decide which comes first.
            dialing = build_dialing_event(call, call.dialed_at or at, source) if is_first else None
            ringing = build_event(
                call,
                type="ringing",
                text=f"{call.to_number} is ringing",
                at=call.ringing_at or at,
                data={"source": source},
            )
            save_events(dialing, ringing)
    return moved


def _record_earlier_ringing(call: Call, at: datetime) -> bool:
    """Set when a call that has moved on began to ring; False when that is known."""
    call.refresh_from_db()
    later = [moment - TICK for moment in (call.answered_at, call.ended_at) if moment is not None]
    ringing_at = min([at, *later])
    unknown = Call.unscoped.filter(pk=call.pk, ringing_at=None, dialed_at__lte=ringing_at)
    written = unknown.update(ringing_at=ringing_at)
    call.ringing_at = call.ringing_at or ringing_at
    if written and call.end_reason == CARRIER_SILENT.reason:
        correct_unsettled_end(call, RING_TIMEOUT)
    return bool(written)


def mark_answered(call: Call, *, at: datetime, source: str, sip_call_id: str = "") -> bool:
    """Record that the callee picked up. Returns whether the call moved.

    The first source to report it sets the time. A call that ended unanswered becomes an answered
    one (`late_evidence`).
    """
    reported_at, at = at, clamp_to_timeline(call, at)
    # The sender of the dial knows it best.
    dialed_at = call.dialed_at or at
    changes: dict[str, Any] = {"answered_at": at, "heard_at": at, "dialed_at": dialed_at}
    if not call.is_web:
        # On the telephone an answer is a 200, whichever source reports it.
        changes |= {"sip_status_code": 200, "sip_status": "OK"}
    if sip_call_id:
        changes["sip_call_id"] = sip_call_id
    was_dialing = call.stage not in Stage.before_callee()
    with transaction.atomic(savepoint=False):
        moved = ANSWERED.move(call, **changes)
        if moved:
            dialing = None if was_dialing else build_dialing_event(call, dialed_at, source)
            save_events(dialing, _answered_event(call, at, source))
        else:
            _record_late_answer(call, at, source, dialed_at, sip_call_id)
            correct_answer_time(call, at=reported_at)
    return moved


def _answered_event(call: Call, at: datetime, source: str) -> CallEvent:
    return build_event(
        call,
        type="answered",
        text=f"{call.to_number} answered",
        at=at,
        data={"source": source},
    )


def _record_late_answer(
    call: Call, at: datetime, source: str, dialed_at: datetime, sip_call_id: str
) -> None:
    """Keep what an answer adds to a call that has moved on, or raise an alarm."""
    call.refresh_from_db()
    if call.end_reason == AGENT_LOST.reason and accept_crossing_answer(call, at):
        return
    if call.stage == Stage.ENDED and call.answered_at is None:
        accept_late_answer(call, at=at, source=source)
    if sip_call_id and not call.sip_call_id:
        call.touch(at, sip_call_id=sip_call_id, dialed_at=dialed_at)


def outcome_of_answer(detected: str | None) -> Outcome:
    """Return the outcome of an answered call, by what was detected."""
    outcomes = {"machine": Outcome.VOICEMAIL, "screened": Outcome.SCREENED}
    return outcomes.get(detected or "", Outcome.ANSWERED)


def mark_detected(call: Call, *, kind: str, at: datetime) -> None:
    """Record what answered: human, machine, uncertain or screened. It decides the outcome.

    A screener that puts the call through is followed by a human, and never the other way round. A
    report that comes after the end still decides the outcome, until the batch has settled the call;
    one that contradicts it after that raises an alarm.
    """
    still_up = SCREENED_WHILE_UP if kind == "screened" else DETECTED_WHILE_UP
    if still_up.run(pk=call.pk, kind=kind, at=at):
        call.detected = kind
        return
    call.refresh_from_db(fields=["stage", "detected"])
    if (call.detected, kind) == ("human", "screened"):
        return
    outcome = outcome_of_answer(kind)
    # Settlement reads the outcome once; a later change would contradict what the batch counted.
    unknown = Q(detected=None) if kind != "human" else Q(detected=None) | Q(detected="screened")
    unsettled = Call.unscoped.filter(
        unknown, pk=call.pk, stage=Stage.ENDED, answered_at__isnull=False, settled_at=None
    )
    if unsettled.update(detected=kind, outcome=outcome):
        call.detected = kind
        call.outcome = outcome
        rewrite_end_event(call, outcome=outcome)
        return
    # What confirms the outcome that was counted contradicts nothing.
    agreeing = Call.unscoped.filter(pk=call.pk, detected=None, outcome=outcome)
    if agreeing.update(detected=kind):
        call.detected = kind
    elif call.detected != kind:
        text = f"The agent reported '{kind}' after the call had ended"
        raise_alarm(call, at=at, text=text, source="agent")


def _compile_detection(still_up: QuerySet[Call]) -> CompiledUpdate:
    return CompiledUpdate(
        lambda pk, kind, at: (still_up.filter(pk=pk), {"detected": kind, "heard_at": at}),
        pk=UUIDField(),
        kind=CharField(),
        at=DateTimeField(),
    )


DETECTED_WHILE_UP = _compile_detection(Call.unscoped.exclude(stage=Stage.ENDED))
SCREENED_WHILE_UP = _compile_detection(
    Call.unscoped.exclude(stage=Stage.ENDED).exclude(detected="human")
)


def mark_hung_up(
    call: Call,
    *,
    at: datetime,
    reason: str,
    by: str | None = None,
    source: str = "",
    text: str | None = None,
) -> bool:
    """End an answered call: voicemail when a machine was detected, else answered.

    Returns False when it was never answered or has ended already.
    """
    if call.answered_at is None:
        return False
    reason, by = ending_by_the_clock(call, at, reason, by)
    ended_at = clamp_to_timeline(call, at)
    with transaction.atomic(savepoint=False):
        moved = _end_as_detected(
            call,
            end_reason=reason,
            hung_up_by=by,
            ended_at=ended_at,
            heard_at=at,
            room_delete_at=deletion_time(call, ended_at),
        )
        if moved:
            move_before_end(call, ended_at)
            add_event(
                call,
                type="ended",
                text=text or describe_end(call, by, reason),
                at=ended_at,
                data={"outcome": call.outcome, "reason": reason, "source": source},
            )
    return moved


def _end_as_detected(call: Call, **changes: Any) -> bool:
    """End an answered call with the outcome that its detection gives.

    A detection that is written at this very moment must not be lost, so the row is compared with
    what we know, and read again when it differs.
    """
    while True:
        outcome = outcome_of_answer(call.detected)
        given = Q(detected=call.detected)
        if HUNG_UP.move(call, given=given, outcome=outcome, **changes):
            return True
        known = call.detected
        call.refresh_from_db(fields=["stage", "detected"])
        if call.stage != Stage.IN_PROGRESS or call.detected == known:
            return False


def mark_failed(
    call: Call,
    *,
    verdict: Verdict,
    at: datetime,
    since: tuple[Stage, ...] | None = None,
    source: str = "",
    **details: Any,
) -> bool:
    """End a call that was never answered, with the verdict. False when it has moved on.

    `since` defaults to every stage after the intent; `details` are the call's SIP columns.
    """
    at = clamp_to_timeline(call, at)
    changes = dict(details)
    if verdict.sent:
        changes["dialed_at"] = call.dialed_at or call.intent_at or at
    was_dialing = call.stage not in Stage.before_callee()
    with transaction.atomic(savepoint=False):
        moved = FAILED.move(
            call,
            since=Stage.before_answer() if since is None else since,
            outcome=verdict.outcome,
            end_reason=verdict.reason,
            counts=verdict.counts,
            ended_at=at,
            heard_at=at,
            room_delete_at=deletion_time(call, at),
            **changes,
        )
        if moved:
            move_before_end(call, at)
            dialing = None
            if verdict.sent and not was_dialing:
                dialing = build_dialing_event(call, changes["dialed_at"], source)
            save_events(dialing, _failed_event(call, verdict, at, source, details))
    return moved


def _failed_event(
    call: Call, verdict: Verdict, at: datetime, source: str, details: dict[str, Any]
) -> CallEvent:
    known = {
        name: value for name, value in details.items() if name in SIP_DETAILS and value is not None
    }
    return build_event(
        call,
        type="ended",
        text=describe_failure(verdict, known),
        at=at,
        data={"outcome": verdict.outcome, "reason": verdict.reason, "source": source, **known},
    )


def mark_cancelled(
    call: Call, *, at: datetime, by: str, since: tuple[Stage, ...] | None = None
) -> bool:
    """End a call that our side hung up before it was answered. False when it has moved on.

    `by` is 'operator' or 'agent'; `since` defaults to every stage after the intent.
    """
    at = clamp_to_timeline(call, at)
    never_dialled = call.intent_at is None and not call.is_web
    text = f"Hung up before it was {'dialled' if never_dialled else 'answered'}"
    data = {"outcome": Outcome.CANCELLED, "reason": HUNG_UP_BEFORE_ANSWER, "by": by}
    with transaction.atomic(savepoint=False):
        moved = CANCELLED.move(
            call,
            since=Stage.before_answer() if since is None else since,
            outcome=Outcome.CANCELLED,
            end_reason=HUNG_UP_BEFORE_ANSWER,
            hung_up_by=by,
            ended_at=at,
            heard_at=at,
            room_delete_at=deletion_time(call, at),
        )
        if moved:
            add_event(call, type="ended", text=text, at=at, data=data)
    return moved


def mark_transferred(call: Call, *, to: str, at: datetime) -> None:
    """End a call whose callee was handed to another number.

    A source that ended the call before us only saw the callee leave, and is corrected.
    """
    text = f"Transferred to {to}"
    with transaction.atomic(savepoint=False):
        mark_hung_up(call, at=at, reason="transferred", by="operator", source="api", text=text)
        ended = Call.unscoped.filter(pk=call.pk, stage=Stage.ENDED, answered_at__isnull=False)
        coarse = ended.exclude(end_reason="transferred")
        if coarse.update(hung_up_by="operator", end_reason="transferred"):
            rewrite_end_event(call, text=text, reason="transferred")
