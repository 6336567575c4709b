"""The only functions that move a call, each one compare-and-set, each leaving a line in the timeline, in words.

News of a call comes from four sides: the answer to our dial request, the agent's reports, LiveKit's webhooks and a
poller; repeated, late and in any order. So a call only ever moves forward (reserved < intent < dialing < ringing <
in_progress < ended), and whatever contradicts a final call raises an alarm and changes nothing.

Who may end a call that was not answered: while somebody listens for the dial's own answer (`attended`), only that
answer, because it alone carries the SIP status; webhooks name busy, declined and a refused trunk alike.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from telephony.models import Call, CallEvent, Outcome, Stage
from telephony.outcomes import Verdict

BEFORE_CALLEE = (Stage.INTENT, Stage.UNKNOWN)
BEFORE_RINGING = (*BEFORE_CALLEE, Stage.DIALING)
BEFORE_ANSWER = (*BEFORE_RINGING, Stage.RINGING)
SENT = (*BEFORE_ANSWER, Stage.IN_PROGRESS)
OPEN = (Stage.RESERVED, *SENT)


def record(
    call: Call,
    *,
    type: str,
    text: str,
    at: datetime,
    data: dict[str, Any] | None = None,
    external_id: str | None = None,
) -> bool:
    """Add a line to the timeline; False when this `external_id` was recorded before."""
    event = CallEvent(
        workspace_id=call.workspace_id,
        call=call,
        type=type,
        text=text[:500],
        at=at,
        data=data or {},
        external_id=external_id,
    )
    if external_id is None:
        event.save(force_insert=True)
        return True
    if CallEvent.unscoped.filter(call=call, external_id=external_id).exists():
        return False
    CallEvent.unscoped.bulk_create([event], ignore_conflicts=True)
    return True


def attended(call: Call, now: datetime) -> bool:
    """Whether a shift still listens for the answer to this call's dial request."""
    return call.stage in BEFORE_ANSWER and call.lease_expires_at is not None and call.lease_expires_at > now


def callee_joined(call: Call, *, at: datetime, source: str) -> None:
    """LiveKit has the callee in the room, which it does before it sends the INVITE: the call was placed."""
    if call.stage == Stage.ENDED:
        if call.dialed_at is None:
            alarm(
                call, at=at, text="The callee was called after the attempt had been closed as never sent", source=source
            )
        return
    joined, dialed = call.callee_joined_at or at, call.dialed_at or at
    changes: dict[str, Any] = {"callee_joined_at": joined, "dialed_at": dialed, "heard_at": at}
    with transaction.atomic(savepoint=False):
        if call.move(to=Stage.DIALING, since=BEFORE_CALLEE, **changes):
            record(call, type="dialing", text=f"Calling {call.to_number}", at=at, data={"source": source})
        elif call.callee_joined_at is None:
            call.touch(**changes_at(changes))
            call.callee_joined_at = at


def changes_at(changes: dict[str, Any]) -> dict[str, Any]:
    """The same changes, spelled for `Call.touch`."""
    return {"at": changes.pop("heard_at"), **changes}


def ringing(call: Call, *, at: datetime, source: str) -> bool:
    with transaction.atomic(savepoint=False):
        moved = call.move(
            to=Stage.RINGING, since=BEFORE_RINGING, ringing_at=at, heard_at=at, dialed_at=call.dialed_at or at
        )
        if moved:
            record(call, type="ringing", text=f"{call.to_number} is ringing", at=at, data={"source": source})
    return moved


def answered(call: Call, *, at: datetime, source: str, sip_call_id: str = "") -> bool:
    """The callee picked up. The first to say so sets the time; a contradiction with a final call is an alarm."""
    changes: dict[str, Any] = {"answered_at": at, "heard_at": at, "dialed_at": call.dialed_at or at}
    if sip_call_id:
        changes |= {"sip_call_id": sip_call_id, "sip_status_code": 200, "sip_status": "OK"}
    with transaction.atomic(savepoint=False):
        moved = call.move(to=Stage.IN_PROGRESS, since=BEFORE_ANSWER, **changes)
        if moved:
            record(call, type="answered", text=f"{call.to_number} answered", at=at, data={"source": source})
        else:
            call.refresh_from_db()
            contradicted = call.stage == Stage.ENDED and call.answered_at is None
            if contradicted:
                alarm(call, at=at, text="An answer was reported after the call had ended unanswered", source=source)
            elif sip_call_id and not call.sip_call_id:
                call.touch(at, sip_call_id=sip_call_id, sip_status_code=200, sip_status="OK")
    return moved


def detected(call: Call, *, kind: str, at: datetime) -> None:
    """What answered: human, machine, uncertain or screened. Decides the outcome when the call ends.

    A report that was overtaken by the end of its call still makes it voicemail, until the batch has taken note.
    """
    if Call.unscoped.filter(pk=call.pk).exclude(stage=Stage.ENDED).update(detected=kind, heard_at=at):
        call.detected = kind
        return
    outcome = Outcome.VOICEMAIL if kind == "machine" else Outcome.ANSWERED
    unnoted = Call.unscoped.filter(pk=call.pk, detected=None, answered_at__isnull=False, settled_at=None)
    if unnoted.update(detected=kind, outcome=outcome):
        call.detected, call.outcome = kind, outcome
    elif call.detected != kind:
        alarm(call, at=at, text=f"The agent reported '{kind}' after the call had ended", source="agent")


def hung_up(
    call: Call, *, at: datetime, reason: str, by: str | None = None, source: str = "", text: str | None = None
) -> bool:
    """An answered call is over: voicemail when a machine was detected, else answered. False if it was over already."""
    if call.answered_at is None:
        return False
    changes = {"end_reason": reason, "hung_up_by": by, "ended_at": max(at, call.answered_at), "heard_at": at}
    with transaction.atomic(savepoint=False):
        moved = end_as_detected(call, **changes)
        if moved:
            words = text or {
                "callee": "The callee hung up",
                "agent": "The agent hung up",
                "operator": "An operator hung up",
            }
            line = words if isinstance(words, str) else words.get(by or "", "The call ended")
            told = {"outcome": call.outcome, "reason": reason, "source": source}
            record(call, type="ended", text=line, at=at, data=told)
    return moved


def end_as_detected(call: Call, **changes: Any) -> bool:
    """End an answered call. What answered may be told at this very moment: then look again, or it would be lost."""
    while True:
        outcome = Outcome.VOICEMAIL if call.detected == "machine" else Outcome.ANSWERED
        given = Q(detected=call.detected)
        if call.move(to=Stage.ENDED, since=(Stage.IN_PROGRESS,), given=given, outcome=outcome, **changes):
            return True
        before = call.detected
        call.refresh_from_db(fields=["stage", "detected"])
        if call.stage != Stage.IN_PROGRESS or call.detected == before:
            return False


def failed(
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
        name: value for name, value in changes.items() if name in ("sip_status_code", "sip_status", "provider_code")
    }
    if verdict.sent:
        changes["dialed_at"] = call.dialed_at or call.intent_at or at
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
            data = {"outcome": verdict.outcome, "reason": verdict.reason, "source": source, **told}
            record(call, type="ended", text=in_words(verdict, told), at=at, data=data)
    return moved


def cancelled(call: Call, *, at: datetime, by: str, since: tuple[Stage, ...] = BEFORE_ANSWER) -> bool:
    """Somebody of ours ended it before it was answered; `by` is 'operator' or 'agent'."""
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
            record(call, type="ended", text="Hung up before it was answered", at=at, data={"by": by})
    return moved


def refine(call: Call, *, by: str | None = None, reason: str | None = None) -> None:
    """Fill in who hung up where a coarser source ended the call first. Never changes the outcome."""
    if by is not None and call.hung_up_by is None:
        changes = {"hung_up_by": by} | ({"end_reason": reason} if reason else {})
        Call.unscoped.filter(pk=call.pk, stage=Stage.ENDED, hung_up_by=None, answered_at__isnull=False).update(
            **changes
        )


def transferred(call: Call, *, to: str, at: datetime) -> None:
    """The callee was handed to another number. Whoever ended the call before us only saw them leave."""
    with transaction.atomic(savepoint=False):
        hung_up(call, at=at, reason="transferred", by="operator", source="api", text=f"Transferred to {to}")
        over = Call.unscoped.filter(pk=call.pk, stage=Stage.ENDED, answered_at__isnull=False)
        over.update(hung_up_by="operator", end_reason="transferred")


def alarm(call: Call, *, at: datetime, text: str, source: str) -> None:
    """Late or contradictory evidence: kept and shown, and it changes nothing. Once per sentence and call."""
    record(call, type="alarm", text=text, at=at, data={"source": source}, external_id=f"alarm:{text}"[:128])


def in_words(verdict: Verdict, told: dict[str, Any]) -> str:
    """`The callee's line was busy (486 Busy Here)`."""
    if told.get("sip_status_code"):
        return f"{verdict.words} ({told['sip_status_code']} {told.get('sip_status') or ''}".rstrip() + ")"
    return verdict.words
