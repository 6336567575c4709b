"""The only functions that move a call, each one compare-and-set, each leaving a line in the
timeline, in words.

News of a call comes from four sides: the answer to our dial request, the agent's reports, LiveKit's
webhooks and a poller; repeated, late and in any order. So a call only ever moves forward (reserved
< intent < dialing < ringing < in_progress < ended), and whatever contradicts a final call raises an
alarm and changes nothing.

Who may end a call that was not answered: while somebody listens for the dial's own answer
(`attended`), only that answer, because it alone carries the SIP status; webhooks name busy,
declined and a refused trunk alike.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from telephony.domain.descriptions import describe_end, describe_event
from telephony.domain.dial_verdicts import Verdict
from telephony.models import Call, CallEvent, Outcome, Stage

logger = logging.getLogger(__name__)

BEFORE_CALLEE = (Stage.INTENT, Stage.UNKNOWN)
BEFORE_RINGING = (*BEFORE_CALLEE, Stage.DIALING)
BEFORE_ANSWER = (*BEFORE_RINGING, Stage.RINGING)
SENT = (*BEFORE_ANSWER, Stage.IN_PROGRESS)
OPEN = (Stage.RESERVED, *SENT)
TICK = timedelta(
    microseconds=1
)  # between what follows from one another and was told the wrong way round


def add_event(
    call: Call,
    *,
    type: str,
    text: str,
    at: datetime,
    data: dict[str, Any] | None = None,
    external_id: str | None = None,
) -> bool:
    """Add a line to the timeline; False when this `external_id` was recorded before."""
    event = build_event(call, type=type, text=text, at=at, data=data, external_id=external_id)
    if external_id is None:
        event.save(force_insert=True)
        return True
    if CallEvent.unscoped.filter(call=call, external_id=external_id).exists():
        return False
    CallEvent.unscoped.bulk_create([event], ignore_conflicts=True)
    return True


def clamp_to_timeline(call: Call, at: datetime) -> datetime:
    """Not before what has happened already: the clocks of those who tell differ by milliseconds."""
    return max(
        moment
        for moment in (at, call.dialed_at, call.ringing_at, call.answered_at)
        if moment is not None
    )


def build_event(
    call: Call, *, type: str, text: str, at: datetime, data: Any = None, external_id: Any = None
) -> CallEvent:
    return CallEvent(
        workspace_id=call.workspace_id,
        call=call,
        type=type,
        text=text[:500],
        at=at,
        data=data or {},
        external_id=external_id,
    )


def is_awaiting_answer(call: Call, now: datetime) -> bool:
    """Whether a shift still listens for the answer to this call's dial request."""
    return (
        call.stage in BEFORE_ANSWER
        and call.lease_expires_at is not None
        and call.lease_expires_at > now
    )


def mark_callee_joined(call: Call, *, at: datetime, source: str) -> None:
    """LiveKit has the callee in the room, which it does before it sends the INVITE: the call was
    placed.
    """
    if call.stage == Stage.ENDED:
        if call.dialed_at is None:
            raise_alarm(
                call,
                at=at,
                text="The callee was called after the attempt had been closed as never sent",
                source=source,
            )
        return
    joined, dialed = call.callee_joined_at or at, call.dialed_at or at
    changes: dict[str, Any] = {"callee_joined_at": joined, "dialed_at": dialed, "heard_at": at}
    with transaction.atomic(savepoint=False):
        if call.move(to=Stage.DIALING, since=BEFORE_CALLEE, **changes):
            save_events(_dialing(call, at, source))
        elif call.callee_joined_at is None:
            call.touch(**changes_at(changes))
            call.callee_joined_at = at


def _dialing(call: Call, at: datetime, source: str) -> CallEvent:
    """There once, from whoever is first: the answer may overtake the news that the callee is in the
    room.
    """
    words, data = f"Calling {call.to_number}", {"source": source}
    return build_event(call, type="dialing", text=words, at=at, data=data, external_id="vo:dialing")


def save_events(*lines: CallEvent | None) -> None:
    CallEvent.unscoped.bulk_create(
        [line for line in lines if line is not None], ignore_conflicts=True
    )


def changes_at(changes: dict[str, Any]) -> dict[str, Any]:
    """The same changes, spelled for `Call.touch`."""
    return {"at": changes.pop("heard_at"), **changes}


def mark_ringing(call: Call, *, at: datetime, source: str) -> bool:
    """The callee's phone rings. Where the answer or the end was told first, only the story is
    completed.
    """
    at = max(at, call.dialed_at or at)
    with transaction.atomic(savepoint=False):
        moved = call.move(
            to=Stage.RINGING,
            since=BEFORE_RINGING,
            ringing_at=at,
            heard_at=at,
            dialed_at=call.dialed_at or at,
        )
        if moved or _rang(call, at):
            text, at = f"{call.to_number} is ringing", call.ringing_at or at
            add_event(call, type="ringing", text=text, at=at, data={"source": source})
    return moved


def _rang(call: Call, at: datetime) -> bool:
    """Note that a call which has moved on had been ringing before."""
    call.refresh_from_db()
    ends = [moment - TICK for moment in (call.answered_at, call.ended_at) if moment is not None]
    before = min([at, *ends])
    noted = Call.unscoped.filter(pk=call.pk, ringing_at=None, dialed_at__lte=before).update(
        ringing_at=before
    )
    call.ringing_at = call.ringing_at or before
    return bool(noted)


def mark_answered(call: Call, *, at: datetime, source: str, sip_call_id: str = "") -> bool:
    """The callee picked up. The first to say so sets the time; a contradiction with a final call is
    an alarm.
    """
    at, dialed_at = (
        clamp_to_timeline(call, at),
        call.dialed_at or at,
    )  # which whoever dialled knows best
    changes: dict[str, Any] = {"answered_at": at, "heard_at": at, "dialed_at": dialed_at}
    if not call.is_web:
        changes |= {
            "sip_status_code": 200,
            "sip_status": "OK",
        }  # what an answer is on the telephone, whoever tells
    if sip_call_id:
        changes["sip_call_id"] = sip_call_id
    untold = call.stage in BEFORE_CALLEE
    with transaction.atomic(savepoint=False):
        moved = call.move(to=Stage.IN_PROGRESS, since=BEFORE_ANSWER, **changes)
        if moved:
            before = _dialing(call, changes["dialed_at"], source) if untold else None
            text = f"{call.to_number} answered"
            save_events(
                before,
                build_event(call, type="answered", text=text, at=at, data={"source": source}),
            )
        else:
            call.refresh_from_db()
            contradicted = call.stage == Stage.ENDED and call.answered_at is None
            if contradicted:
                raise_alarm(
                    call,
                    at=at,
                    text="An answer was reported after the call had ended unanswered",
                    source=source,
                )
            elif sip_call_id and not call.sip_call_id:
                call.touch(at, sip_call_id=sip_call_id, dialed_at=dialed_at)
    return moved


def mark_detected(call: Call, *, kind: str, at: datetime) -> None:
    """What answered: human, machine, uncertain or screened. Decides the outcome when the call ends.

    A report that was overtaken by the end of its call still makes it voicemail, until the batch has
    taken note.
    """
    if (
        Call.unscoped.filter(pk=call.pk)
        .exclude(stage=Stage.ENDED)
        .update(detected=kind, heard_at=at)
    ):
        call.detected = kind
        return
    outcome = Outcome.VOICEMAIL if kind == "machine" else Outcome.ANSWERED
    unnoted = Call.unscoped.filter(
        pk=call.pk, detected=None, answered_at__isnull=False, settled_at=None
    )
    if unnoted.update(detected=kind, outcome=outcome):
        call.detected, call.outcome = kind, outcome
        rewrite_end_event(call, outcome=outcome)
    elif call.detected != kind:
        raise_alarm(
            call,
            at=at,
            text=f"The agent reported '{kind}' after the call had ended",
            source="agent",
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
    """An answered call is over: voicemail when a machine was detected, else answered. False if it
    was over already.
    """
    if call.answered_at is None:
        return False
    ended_at = clamp_to_timeline(call, at)
    changes = {"end_reason": reason, "hung_up_by": by, "ended_at": ended_at, "heard_at": at}
    with transaction.atomic(savepoint=False):
        moved = end_as_detected(call, **changes)
        if moved:
            data = {"outcome": call.outcome, "reason": reason, "source": source}
            add_event(
                call,
                type="ended",
                text=text or describe_end(call, by, reason),
                at=ended_at,
                data=data,
            )
    return moved


def end_as_detected(call: Call, **changes: Any) -> bool:
    """End an answered call. What answered may be told at this very moment: then look again, or it
    would be lost.
    """
    while True:
        outcome = Outcome.VOICEMAIL if call.detected == "machine" else Outcome.ANSWERED
        given = Q(detected=call.detected)
        if call.move(
            to=Stage.ENDED, since=(Stage.IN_PROGRESS,), given=given, outcome=outcome, **changes
        ):
            return True
        before = call.detected
        call.refresh_from_db(fields=["stage", "detected"])
        if call.stage != Stage.IN_PROGRESS or call.detected == before:
            return False


def mark_failed(
    call: Call,
    *,
    verdict: Verdict,
    at: datetime,
    since: tuple[Stage, ...] = BEFORE_ANSWER,
    source: str = "",
    **changes: Any,
) -> bool:
    """A call that was never answered is over, for the verdict's reason. False if it had moved on."""
    told = {
        name: value
        for name, value in changes.items()
        if name in ("sip_status_code", "sip_status", "provider_code") and value is not None
    }
    at = clamp_to_timeline(call, at)
    if verdict.sent:
        changes["dialed_at"] = call.dialed_at or call.intent_at or at
    untold = verdict.sent and call.stage in BEFORE_CALLEE
    with transaction.atomic(savepoint=False):
        moved = call.move(
            to=Stage.ENDED,
            since=since,
            outcome=verdict.outcome,
            end_reason=verdict.reason,
            counts=verdict.counts,
            ended_at=at,
            heard_at=at,
            **changes,
        )
        if moved:
            call.events.filter(type="callee_left", at__gte=at).update(
                at=at - TICK
            )  # it led to this end
            before = _dialing(call, changes["dialed_at"], source) if untold else None
            data = {"outcome": verdict.outcome, "reason": verdict.reason, "source": source, **told}
            save_events(
                before,
                build_event(
                    call, type="ended", text=describe_event(verdict, told), at=at, data=data
                ),
            )
    return moved


def mark_cancelled(
    call: Call, *, at: datetime, by: str, since: tuple[Stage, ...] = BEFORE_ANSWER
) -> bool:
    """Somebody of ours ended it before it was answered; `by` is 'operator' or 'agent'."""
    at = clamp_to_timeline(call, at)
    words = (
        "before it was dialled"
        if call.intent_at is None and not call.is_web
        else "before it was answered"
    )
    data = {"outcome": Outcome.CANCELLED, "reason": "hung_up_before_answer", "by": by}
    with transaction.atomic(savepoint=False):
        moved = call.move(
            to=Stage.ENDED,
            since=since,
            outcome=Outcome.CANCELLED,
            end_reason="hung_up_before_answer",
            hung_up_by=by,
            ended_at=at,
            heard_at=at,
        )
        if moved:
            add_event(call, type="ended", text=f"Hung up {words}", at=at, data=data)
    return moved


def fill_in_hangup(call: Call, *, by: str | None, reason: str, at: datetime) -> None:
    """Fill in who hung up, and when, where a coarser source ended the call first. Never changes the
    outcome.
    """
    if by is None or call.hung_up_by is not None or call.ended_at is None:
        return
    ended_at = min(
        clamp_to_timeline(call, at), call.ended_at
    )  # a webhook is told of by when it arrived
    vague = Call.unscoped.filter(
        pk=call.pk, stage=Stage.ENDED, hung_up_by=None, answered_at__isnull=False
    )
    with transaction.atomic(savepoint=False):
        if vague.update(hung_up_by=by, end_reason=reason, ended_at=ended_at):
            rewrite_end_event(call, text=describe_end(call, by, reason), at=ended_at, reason=reason)


def rewrite_end_event(
    call: Call, *, text: str | None = None, at: datetime | None = None, **data: str
) -> None:
    """The line of the end as it is known now: the first to tell of it did not know all."""
    line = call.events.filter(type="ended").first()
    if line is not None:
        line.text, line.at, line.data = text or line.text, at or line.at, {**line.data, **data}
        line.save(update_fields=["text", "at", "data"])


def mark_transferred(call: Call, *, to: str, at: datetime) -> None:
    """The callee was handed to another number. Whoever ended the call before us only saw them
    leave.
    """
    with transaction.atomic(savepoint=False):
        mark_hung_up(
            call,
            at=at,
            reason="transferred",
            by="operator",
            source="api",
            text=f"Transferred to {to}",
        )
        over = Call.unscoped.filter(pk=call.pk, stage=Stage.ENDED, answered_at__isnull=False)
        if over.exclude(end_reason="transferred").update(
            hung_up_by="operator", end_reason="transferred"
        ):
            rewrite_end_event(call, text=f"Transferred to {to}", reason="transferred")


def raise_alarm(call: Call, *, at: datetime, text: str, source: str) -> None:
    """Late or contradictory evidence: kept and shown, and it changes nothing. Once per sentence and
    call.
    """
    logger.warning("Alarm on call %s: %s", call.pk, text)
    add_event(
        call,
        type="alarm",
        text=text,
        at=at,
        data={"source": source},
        external_id=f"alarm:{text}"[:128],
    )
