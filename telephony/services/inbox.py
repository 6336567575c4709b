"""The inbox of LiveKit's webhooks: each is stored once, and applied a moment later by a worker.

Workers apply them in chunks (`worker/periodic/intake.py`). Those of an inbound call are applied at
once, because its caller waits for the agent. `livekit_events` has what each of them means.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import DataError, IntegrityError, OperationalError, models, transaction
from django.utils import timezone

from telephony.domain import room_names
from telephony.models import Call, InboxEvent
from telephony.services import livekit_events
from telephony.services.livekit_events import EGRESS_EVENTS, PARTICIPANT_LEFT_EVENTS, Change
from voiceops.core.errors import Invalid
from voiceops.core.isolation import SetAside, run_isolated
from voiceops.db.compiled_query import CompiledQueryOfKeys
from voiceops.db.compiled_writes import MAX_KEPT_ROWS, CompiledUpdate, insert_rows

logger = logging.getLogger(__name__)

# Stored as evidence that a callee was in the room; they change nothing by themselves.
EVIDENCE_EVENTS = ("track_published",)
STORED_EVENTS = (
    "participant_joined",
    "room_finished",
    *PARTICIPANT_LEFT_EVENTS,
    *EGRESS_EVENTS,
    *EVIDENCE_EVENTS,
)
RECORDER_KIND = "EGRESS"  # its coming and going changes no call
AGENT_KIND = "AGENT"
MAX_EVENT_ID_LENGTH = 128
# Applied in one transaction, which no other writer on SQLite should wait for any longer.
CHUNK_EVENTS = 50
# What a malformed event raises.
MALFORMED_EVENT_ERRORS = (LookupError, TypeError, ValueError, OverflowError, AttributeError)

AGENT_LEFT = CompiledUpdate(
    lambda room, at: (Call.unscoped.open().filter(room=room), {"agent_left_at": at}),
    room=models.CharField(),
    at=models.DateTimeField(),
)
AGENT_CAME_BACK = CompiledUpdate(
    lambda room: (
        Call.unscoped.open().filter(room=room, agent_left_at__isnull=False),
        {"agent_left_at": None},
    ),
    room=models.CharField(),
)


OPEN_CALLS_OF_ROOMS = CompiledQueryOfKeys(
    lambda rooms: Call.unscoped.open().filter(room__in=rooms).values_list("room", "agent_left_at"),
    models.CharField(),
    most=MAX_KEPT_ROWS,
)


def receive_event(body: Mapping[str, Any]) -> None:
    """Store an event, to be applied. Repeated events and those of foreign rooms change nothing.

    Raises Invalid when the body is not an event.
    """
    event = build_event(body)
    if event is None:
        return
    if _is_agents(event):
        record_agent_presence(event)
    elif is_applied_at_once(event):
        _apply_at_once(event)
    else:
        store_events([event])


def receive_together(events: Sequence[InboxEvent]) -> list[bool | None]:
    """Store events, none of which is applied at once; returns True for those that are done.

    The others are to be received one by one: they change a row that somebody may have locked.
    """
    agents = [event for event in events if _is_agents(event)]
    store_events([event for event in events if not _is_agents(event)])
    changing = _changing_presence(agents)
    return [None if event.pk in changing else True for event in events]


def _changing_presence(agents: Sequence[InboxEvent]) -> set[str]:
    """Return which comings and goings of agents change an open call."""
    if not agents:
        return set()
    has_left = dict(OPEN_CALLS_OF_ROOMS.rows_of([event.room for event in agents]))
    return {
        event.pk
        for event in agents
        if event.room in has_left
        and (event.event in PARTICIPANT_LEFT_EVENTS or has_left[event.room] is not None)
    }


def is_applied_at_once(event: InboxEvent) -> bool:
    """Return whether the event is of an inbound call, whose caller waits for the agent."""
    return event.event not in EVIDENCE_EVENTS and room_names.number_of(event.room) is not None


def _apply_at_once(event: InboxEvent) -> None:
    try:
        _apply_change(event, claim=_insert_applied)
    except OperationalError:
        # A row that the event changes is locked for too long: a worker tries again.
        event.applied_at = None
        store_events([event])


def build_event(body: Mapping[str, Any]) -> InboxEvent | None:
    """Return the event to store; None for events that change no call. Raises Invalid."""
    event_id = body.get("id")
    name = body.get("event")
    if not isinstance(event_id, str) or not isinstance(name, str):
        raise Invalid("Malformed request body")
    if not 0 < len(event_id) <= MAX_EVENT_ID_LENGTH:
        raise Invalid("Malformed request body")

    room = livekit_events.room_name(body)
    participant = body.get("participant")
    kind = participant.get("kind") if isinstance(participant, Mapping) else None
    if name not in STORED_EVENTS or not livekit_events.is_own_room(room) or kind == RECORDER_KIND:
        return None
    return InboxEvent(
        event_id=event_id,
        event=name,
        room=room,
        body=_without_secrets(body),
        received_at=timezone.now(),
    )


def _without_secrets(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body as it is stored: LiveKit sends the room's TURN password with every event."""
    room = body.get("room")
    if not isinstance(room, Mapping) or "turnPassword" not in room:
        return dict(body)
    return {**body, "room": {name: value for name, value in room.items() if name != "turnPassword"}}


def _is_agents(event: InboxEvent) -> bool:
    participant = event.body.get("participant")
    return isinstance(participant, Mapping) and participant.get("kind") == AGENT_KIND


def record_agent_presence(event: InboxEvent) -> None:
    """Record that the agent has left an open call, or has come (back).

    It is no evidence of the callee, so it is not stored. Whoever watches the agents asks LiveKit
    who is there before anything follows (`telephony/dialing/lost_agents.py`).
    """
    if event.event in PARTICIPANT_LEFT_EVENTS:
        AGENT_LEFT.run(room=event.room, at=event.received_at)
    elif event.event == "participant_joined":
        AGENT_CAME_BACK.run(room=event.room)


inapplicable = SetAside()


def apply_pending_events(limit: int = CHUNK_EVENTS) -> int:
    """Apply a chunk of stored events that are not applied yet, oldest first; returns how many were.

    When the chunk fails, its events are applied one by one.
    """
    pending = InboxEvent.objects.filter(applied_at=None)
    if set_aside := inapplicable.waiting():
        pending = pending.exclude(pk__in=set_aside)
    events = list(pending.order_by("received_at", "pk")[:limit])
    if not events:
        return 0
    applied = run_isolated(_apply_chunk, events)
    if applied is None:
        return sum(bool(inapplicable.run(apply_event, event.pk, event)) for event in events)
    return applied


def _apply_chunk(events: Sequence[InboxEvent]) -> int:
    """Claim the events and make their changes in one transaction; returns how many were claimed.

    Leaves to the next round what another process is working on. So this transaction never waits
    for a call while it holds others.
    """
    with transaction.atomic():
        claimed = InboxEvent.objects.filter(pk__in=[event.pk for event in events], applied_at=None)
        free = set(claimed.select_for_update(skip_locked=True).values_list("pk", flat=True))
        calls, locked_rooms = _lock_calls({event.room for event in events if event.pk in free})
        done = [e for e in events if e.pk in free and e.room not in locked_rooms]
        for event in done:
            change = _plan_or_log(event, calls.get(event.room))
            if change is not None:
                change()
        InboxEvent.objects.filter(pk__in=[event.pk for event in done]).update(
            applied_at=timezone.now()
        )
    return len(done)


def _lock_calls(rooms: set[str]) -> tuple[dict[str, Call], set[str]]:
    """Return the calls of these rooms, and the rooms whose calls are locked by somebody else."""
    rows = Call.unscoped.filter(room__in=rooms)
    rows = rows.select_for_update(skip_locked=True, no_key=True)
    calls = {call.room: call for call in rows.order_by("pk")}
    missing = rooms - calls.keys()
    locked = Call.unscoped.filter(room__in=missing).values_list("room", flat=True)
    return calls, set(locked) if missing else set()


def _plan_or_log(event: InboxEvent, call: Call | None) -> Change | None:
    """Return the event's change; None, after a line in the log, when it cannot be understood."""
    try:
        return livekit_events.plan_change_of(event, call)
    except MALFORMED_EVENT_ERRORS:
        _log_malformed(event)
        return None


def _log_malformed(event: InboxEvent) -> None:
    logger.exception("The webhook %s cannot be understood", event.event_id)


def prune_webhook_events(*, older_than: timedelta) -> int:
    """Delete applied events that were received longer ago; returns how many."""
    received_before = timezone.now() - older_than
    old = InboxEvent.objects.filter(received_at__lt=received_before, applied_at__isnull=False)
    return old.delete()[0]


def apply_event(event: InboxEvent) -> bool:
    """Apply a stored event once; returns False when it had been applied before."""
    return _apply_change(event, claim=_claim_pending)


def _apply_change(event: InboxEvent, *, claim: Callable[[InboxEvent], bool]) -> bool:
    """Claim the event and make its change in one transaction; returns whether it was claimed."""
    try:
        # Outside the transaction, because an open transaction blocks every other writer on SQLite.
        change = livekit_events.plan_change(event)
        # Claim and change commit together: no event is stored as applied without its change.
        with transaction.atomic():
            is_claimed = claim(event)
            if is_claimed and change is not None:
                change()
    except (*MALFORMED_EVENT_ERRORS, DataError, IntegrityError):
        _log_malformed(event)
        # Claimed all the same, or every round would fail on it.
        return claim(event)
    return is_claimed


def store_events(events: Sequence[InboxEvent]) -> None:
    """Store events, to be applied. Evidence needs no applying."""
    for event in events:
        if event.event in EVIDENCE_EVENTS:
            event.applied_at = event.received_at
    # In one order everywhere: two processes that store the same ones must not wait for each other.
    insert_rows(sorted(events, key=lambda event: event.pk), ignore_conflicts=True)


def _insert_applied(event: InboxEvent) -> bool:
    """Store an event that is being applied; returns False when it had been received before."""
    event.applied_at = event.received_at
    try:
        # A savepoint, because on PostgreSQL a failed insert aborts the outer transaction.
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _claim_pending(event: InboxEvent) -> bool:
    """Claim a stored event; returns False when another process has claimed it."""
    pending = InboxEvent.objects.filter(pk=event.pk, applied_at=None)
    return bool(pending.update(applied_at=timezone.now()))
