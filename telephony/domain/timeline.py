"""The timeline of a call: its events in words, and where in time they belong."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, OuterRef, Q, QuerySet, Subquery, UUIDField

from telephony.models import Call, CallEvent
from voiceops.db.compiled_writes import CompiledUpdate, insert_rows

logger = logging.getLogger(__name__)

# Between two events of which the later one was reported first.
TICK = timedelta(microseconds=1)
# A fixed id: when two sources write the event at once, the unique constraint keeps one of them.
DIALING_EVENT_ID = "vo:dialing"


def build_event(
    call: Call,
    *,
    type: str,
    text: str,
    at: datetime,
    data: dict[str, Any] | None = None,
    external_id: str | None = None,
) -> CallEvent:
    """Return an event that is not saved yet."""
    return CallEvent(
        workspace_id=call.workspace_id,
        call=call,
        type=type,
        text=text[:500],
        at=at,
        data=data or {},
        external_id=external_id,
    )


def add_event(
    call: Call,
    *,
    type: str,
    text: str,
    at: datetime,
    data: dict[str, Any] | None = None,
    external_id: str | None = None,
) -> bool:
    """Save an event; False when the call has one with this `external_id` already."""
    event = build_event(call, type=type, text=text, at=at, data=data, external_id=external_id)
    if external_id is None:
        insert_rows([event])
        return True
    if CallEvent.unscoped.filter(call=call, external_id=external_id).exists():
        return False
    # Another source may have saved it since the look-up; a conflict would abort the transaction.
    insert_rows([event], ignore_conflicts=True)
    return True


def save_events(*events: CallEvent | None) -> None:
    """Save the events that are there, in one statement; known `external_id`s are skipped."""
    present = [event for event in events if event is not None]
    insert_rows(present, ignore_conflicts=True)


def build_dialing_event(call: Call, at: datetime, source: str) -> CallEvent:
    """Return the event of the dial, which a call has once.

    The first source writes it: the answer may overtake the report of the callee's arrival.
    """
    return build_event(
        call,
        type="dialing",
        text=f"Calling {call.to_number}",
        at=at,
        data={"source": source},
        external_id=DIALING_EVENT_ID,
    )


def align_dialing_event(call: Call) -> None:
    """Date the event of the dial as the call has it now, if there is one."""
    ALIGN_DIALING_EVENT.run(call_id=call.pk)


def _build_alignment(call_id: Any) -> tuple[QuerySet[CallEvent], dict[str, Any]]:
    dialed_at = Call.unscoped.filter(pk=OuterRef("call_id")).values("dialed_at")
    events = CallEvent.unscoped.filter(call_id=call_id, external_id=DIALING_EVENT_ID)
    return events, {"at": Subquery(dialed_at)}


ALIGN_DIALING_EVENT = CompiledUpdate(_build_alignment, call_id=UUIDField())


def rewrite_end_event(
    call: Call,
    *,
    text: str | None = None,
    text_suffix: str = "",
    at: datetime | None = None,
    **data: str,
) -> None:
    """Correct the event of the end: the source that ended the call did not know everything."""
    event = call.events.filter(type="ended").first()
    if event is None:
        return
    event.text = (text or event.text) + text_suffix
    event.at = at or event.at
    if call.answered_at is not None:
        # An answer that was reported after the end has the younger row, and comes first anyway.
        event.at = max(event.at, call.answered_at + TICK)
    event.data = {**event.data, **data}
    event.save(update_fields=["text", "at", "data"])
    if at is not None:
        move_before_end(call, event.at)


# What may have led to the end, or has no place after it.
MOVED_BEFORE_END = ("callee_left", "detected", "agent_joined")


def move_before_end(call: Call, at: datetime) -> None:
    """Place before the end what was reported first although it is dated later.

    The callee's departure led to the end, and who answered was detected before it. An agent that
    joins a room which came back, before we hear that the call is over, has no place after it.
    """
    if call.answered_at is not None:
        at = max(at, call.answered_at + TICK)
    MOVE_BEFORE_END.run(call_id=call.pk, at=at, before=at - TICK)


def _build_move(call_id: Any, at: Any, before: Any) -> tuple[QuerySet[CallEvent], dict[str, Any]]:
    later = Q(type__in=("callee_left", "detected"), at__gte=at) | Q(type="agent_joined", at__gt=at)
    return CallEvent.unscoped.filter(later, call_id=call_id), {"at": before}


MOVE_BEFORE_END = CompiledUpdate(
    _build_move, call_id=UUIDField(), at=DateTimeField(), before=DateTimeField()
)


def raise_alarm(call: Call, *, at: datetime, text: str, source: str) -> None:
    """Record late or contradictory evidence, once per sentence and call. It changes nothing."""
    logger.warning("Alarm on call %s: %s", call.pk, text)
    add_event(
        call,
        type="alarm",
        text=text,
        at=at,
        data={"source": source},
        external_id=f"alarm:{text}"[:128],
    )


def clamp_to_timeline(call: Call, at: datetime) -> datetime:
    """Return `at`, but not before what has happened already.

    The clocks of the sources differ by milliseconds.
    """
    known = (at, call.dialed_at, call.ringing_at, call.answered_at)
    return max(moment for moment in known if moment is not None)
