"""LiveKit's webhooks: stored once, then applied. They are repeated, reordered, late or lost, and
none of it matters.

A webhook alone never ends a call that was not answered: the answer to our dial request carries the
SIP status, and where nobody listens for that any more, the reconciler weighs what the inbox and the
agent told (dialing/reconcile.py).
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, OperationalError, transaction
from django.utils import timezone

from telephony.domain import call_states, room_names
from telephony.domain.disconnect_reasons import ending_for
from telephony.models import Call, Direction, InboxEvent, Stage
from telephony.services import inbound, recordings
from voiceops.core.errors import Invalid
from voiceops.core.isolation import run_isolated

logger = logging.getLogger(__name__)

Change = Callable[[], object]

PARTICIPANT_LEFT_EVENTS = ("participant_left", "participant_connection_aborted")
EGRESS_EVENTS = ("egress_started", "egress_ended")
# Kept as evidence of a callee in the room, but nothing follows from it at once.
EVIDENCE_EVENTS = ("track_published",)
STORED_EVENTS = (
    "participant_joined",
    "room_finished",
    *PARTICIPANT_LEFT_EVENTS,
    *EGRESS_EVENTS,
    *EVIDENCE_EVENTS,
)
OWN_PARTICIPANT_KINDS = (
    "AGENT",
    "EGRESS",
)  # kinds of participants whose coming and going changes no call
CLOCK_RESOLUTION = timedelta(
    seconds=3
)  # LiveKit tells the time in whole seconds: of a fresh event we know it better
PENDING_EVENT_GRACE = timedelta(
    seconds=2
)  # before the sweep takes an event from the request that is applying it


def receive_event(body: Mapping[str, Any]) -> None:
    """Store an event of LiveKit's and apply it; one that came before, or is of a room not ours,
    changes nothing.

    Raises Invalid for what is no event.
    """
    event_id, name, room = body.get("id"), body.get("event"), room_name(body)
    if not isinstance(event_id, str) or not isinstance(name, str) or not 0 < len(event_id) <= 128:
        raise Invalid("Malformed request body")
    participant = body.get("participant")
    kind = participant.get("kind") if isinstance(participant, Mapping) else None
    if name not in STORED_EVENTS or not is_own_room(room) or kind in OWN_PARTICIPANT_KINDS:
        return
    event = InboxEvent(
        event_id=event_id, event=name, room=room, body=dict(body), received_at=timezone.now()
    )
    if name in EVIDENCE_EVENTS:
        event.applied_at = event.received_at
        _store(event)
        return
    try:
        _apply_change(event, claim=_insert_applied)
    except OperationalError:  # somebody holds a row that it changes: the sweep tries again
        event.applied_at = None
        _store(event)


def apply_pending_events(limit: int = 500) -> int:
    """Apply what was stored and not applied, oldest first; for the sweep. Returns how many were."""
    waiting = InboxEvent.objects.filter(
        applied_at=None, received_at__lt=timezone.now() - PENDING_EVENT_GRACE
    )
    return sum(
        bool(run_isolated(apply_event, event))
        for event in waiting.order_by("received_at", "pk")[:limit]
    )


def prune_webhook_events(*, older_than: timedelta) -> int:
    """Forget applied events received so long ago; how many."""
    old = InboxEvent.objects.filter(
        received_at__lt=timezone.now() - older_than, applied_at__isnull=False
    )
    return old.delete()[0]


def apply_event(event: InboxEvent) -> bool:
    """Let a stored event change what it speaks of, once. False when it was applied before."""
    return _apply_change(event, claim=_claim_pending)


def _apply_change(event: InboxEvent, *, claim: Callable[[InboxEvent], bool]) -> bool:
    """Claim the event and make its change, in one transaction; what cannot be understood is claimed
    all the same.
    """
    try:
        change = handler_for(
            event
        )  # read before: on SQLite whoever is in a transaction keeps everybody else waiting
        with transaction.atomic():
            claimed = claim(event)
            if claimed and change is not None:
                change()
    except (
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
        AttributeError,
        DataError,
        IntegrityError,
    ):
        logger.exception("The webhook %s cannot be understood", event.event_id)
        return claim(event)  # or the sweep would stumble over it for ever
    return claimed


def room_name(body: Mapping[str, Any]) -> str:
    """The room's name, '' when the event is of no room."""
    for part, key in (("room", "name"), ("egressInfo", "roomName")):
        found = body.get(part)
        if isinstance(found, Mapping) and isinstance(found.get(key), str):
            return str(found[key])
    return ""


def is_own_room(room: str) -> bool:
    """Whether a room's name is of the kind we give; a LiveKit project may serve others too."""
    if room_names.number_of(room) is not None:
        return True
    try:
        return room.startswith("vo-") and bool(UUID(room.removeprefix("vo-")))
    except ValueError:
        return False


def event_time(event: InboxEvent) -> datetime:
    created = datetime.fromtimestamp(int(event.body.get("createdAt", 0)), UTC)
    return event.received_at if event.received_at - created < CLOCK_RESOLUTION else created


def _store(event: InboxEvent) -> None:
    InboxEvent.objects.bulk_create([event], ignore_conflicts=True)


def _insert_applied(event: InboxEvent) -> bool:
    """Store an event that is being applied; False when it came before."""
    event.applied_at = event.received_at
    try:
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _claim_pending(event: InboxEvent) -> bool:
    """Take an event that was stored and not applied; False when somebody else has."""
    return bool(
        InboxEvent.objects.filter(pk=event.pk, applied_at=None).update(applied_at=timezone.now())
    )


def handler_for(event: InboxEvent) -> Change | None:
    """What there is to do about an event; None for nothing."""
    at = event_time(event)
    call = Call.unscoped.get_or_none(room=event.room)
    if call is None:
        return (
            partial(_open_inbound_call, event, at)
            if room_names.number_of(event.room) is not None
            else None
        )
    if event.event in EGRESS_EVENTS:
        return partial(recordings.apply_egress, call, event.body["egressInfo"], at=at)
    look = HANDLERS.get(event.event)
    return look(call, event.body, max(at, call.intent_at or call.created_at)) if look else None


def _open_inbound_call(event: InboxEvent, at: datetime) -> None:
    """The first news of somebody who calls us."""
    attributes = event.body.get("participant", {}).get("attributes", {})
    if inbound.open_call(event.room, attributes=attributes, at=at) and (
        change := handler_for(event)
    ):
        change()


def _handle_participant_joined(call: Call, body: Mapping[str, Any], at: datetime) -> Change | None:
    known = (
        call.callee_joined_at is not None
        and call.stage not in Stage.before_callee()
        and not call.is_web
    )
    return (
        partial(_mark_callee_joined, call, at)
        if is_callee(call, body.get("participant", {})) and not known
        else None
    )


def _mark_callee_joined(call: Call, at: datetime) -> None:
    call_states.mark_callee_joined(call, at=at, source="livekit")
    if call.is_web:  # a browser has no line that rings
        call_states.mark_answered(call, at=at, source="livekit")


def _handle_participant_left(call: Call, body: Mapping[str, Any], at: datetime) -> Change | None:
    participant = body.get("participant", {})
    if not is_callee(call, participant):
        return None
    return _end_call(call, at, ending_for(participant.get("disconnectReason", "")).reason)


def _handle_room_finished(call: Call, body: Mapping[str, Any], at: datetime) -> Change | None:
    return _end_call(call, at, "room_closed")


def _end_call(call: Call, at: datetime, reason: str) -> Change | None:
    if call.stage != Stage.IN_PROGRESS:
        return None
    return partial(call_states.mark_hung_up, call, at=at, reason=reason, source="livekit")


def is_callee(call: Call, participant: Mapping[str, Any]) -> bool:
    """Whether this participant is the telephone's (or the browser's) end of the call."""
    if call.direction == Direction.INBOUND and not call.is_web:
        return participant.get("kind") == "SIP"
    return participant.get("identity") == call.callee_identity


HANDLERS: dict[str, Callable[[Call, Mapping[str, Any], datetime], Change | None]] = {
    "participant_joined": _handle_participant_joined,
    "room_finished": _handle_room_finished,
    **dict.fromkeys(PARTICIPANT_LEFT_EVENTS, _handle_participant_left),
}
