"""Domain events for webhooks, derived from rows: calls' timelines, batches, settled recipients.

The apps below know nothing of webhooks. A transition and the row that records it are committed
together, so an event is found exactly when it is true; `key` makes it unique however often it is
found.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, prefetch_related_objects

from accounts.models import AuditEntry
from batches.models import Batch, Callback, Recipient
from batches.serializers.batches import BatchSerializer
from batches.serializers.callbacks import serialize_callback
from telephony.models import Call, CallEvent
from telephony.serializers.calls import serialize_call
from telephony.services.analysis import serialize_analysis
from voiceops.core.ids import lowest_id
from voiceops.core.isolation import SetAside, run_isolated

EVENT_PAGE_ROWS = 1_000
unreadable = SetAside()  # recipients of which no event could be made
# `dialing` and `ringing` are read only because `call.started` is derived from them.
# The types of CallEvent that become webhook events.
TIMELINE_TYPES = (
    "dialing",
    "ringing",
    "answered",
    "ended",
    "recording_ready",
    "analysis",
    "disposition",
)
WEBHOOK_TYPE_OF = {
    "answered": "call.answered",
    "ended": "call.ended",
    "recording_ready": "call.recording_ready",
}
RECIPIENT_EVENT_FIELDS = (
    "id",
    "batch_id",
    "row_number",
    "phone_number",
    "status",
    "reason",
    "attempts",
    "outcome",
    "disposition",
    "disposition_by",
    "last_call_id",
    "external_id",
    "alternative_numbers",
    "timezone",
)


@dataclass(frozen=True)
class DomainEvent:
    workspace_id: UUID
    type: str
    key: str
    at: datetime
    data: Any


@dataclass
class CallEventPage:
    """The events of one page of calls' timelines.

    `ended_call_ids` are ended calls of recipients; `last_id` is the last CallEvent read,
    `unreadable_ids` are those of which no event could be made.
    """

    events: list[DomainEvent]
    ended_call_ids: list[UUID]
    last_id: UUID
    unreadable_ids: list[UUID]


def time_of_id(pk: UUID) -> datetime:
    """Return the time at which a UUIDv7 was made."""
    return datetime.fromtimestamp((pk.int >> 80) / 1000, tz=UTC)


def call_event_pages_since(workspaces: Sequence[UUID], since: datetime) -> Iterator[CallEventPage]:
    """Yield the events of calls since then, page by page, in the order they were recorded."""
    timeline = CallEvent.unscoped.filter(workspace__in=workspaces, type__in=TIMELINE_TYPES)
    # Ids are UUIDv7, so their order is that of time and the primary key serves as an index.
    timeline = timeline.order_by("pk")
    after = Q(pk__gte=lowest_id(since))
    while page := list(timeline.filter(after)[:EVENT_PAGE_ROWS]):
        yield read_call_events(page)
        after = Q(pk__gt=page[-1].pk)


def read_call_events(rows: Sequence[CallEvent]) -> CallEventPage:
    """Return the events of some rows of calls' timelines."""
    calls = Call.unscoped.select_related("agent_version").in_bulk({row.call_id for row in rows})
    page = CallEventPage([], [], rows[-1].pk, [])
    for row in rows:
        call = calls[row.call_id]
        if row.type == "ended" and call.recipient_id:
            page.ended_call_ids.append(row.call_id)
        events = run_isolated(_list_events_of_row, row, call)
        if events is None:
            page.unreadable_ids.append(row.pk)
        else:
            page.events += events
    return page


def _list_events_of_row(row: CallEvent, call: Call) -> list[DomainEvent]:
    # A savepoint: PostgreSQL refuses further statements after a failed one.
    with transaction.atomic():
        return list(_events_of_row(row, call))


def _events_of_row(row: CallEvent, call: Call) -> Iterator[DomainEvent]:
    """Yield the events of one timeline row.

    A batch's call that was never sent has no events. Every state of a sent call also yields
    `call.started`, so that it is never missing when a later event is there.
    """
    if call.dialed_at is None and call.batch_id is not None:
        return
    if row.type == "analysis":
        data = {**serialize_call(call), "analysis": serialize_analysis(row)}
        key = f"call.analyzed:{row.pk}"
        yield DomainEvent(call.workspace_id, "call.analyzed", key, row.at, data)
        return
    if row.type == "disposition":
        data = {**serialize_call(call), "note": row.data.get("note") or None}
        key = f"call.disposition:{row.pk}"
        # A word that was not accepted has nobody who set it.
        if row.data.get("by"):
            yield DomainEvent(call.workspace_id, "call.disposition", key, row.at, data)
        return
    if call.dialed_at is not None and row.type != "recording_ready":
        yield _call_event(call, "call.started", call.dialed_at)
    if type := WEBHOOK_TYPE_OF.get(row.type):
        yield _call_event(call, type, row.at)


def _call_event(call: Call, type: str, at: datetime) -> DomainEvent:
    return DomainEvent(call.workspace_id, type, f"{type}:{call.pk}", at, serialize_call(call))


def batch_events_since(workspaces: Sequence[UUID], since: datetime) -> Iterator[DomainEvent]:
    """Yield the batches started, ended, and paused or resumed by a user since then."""
    recent = Q(started_at__gte=since) | Q(ended_at__gte=since)
    batches = list(Batch.unscoped.filter(recent, workspace__in=workspaces))
    data = _batch_data(batches)
    for batch in batches:
        if batch.started_at is not None and batch.started_at >= since:
            yield _batch_event(batch, "batch.started", batch.started_at, data)
        if (
            batch.ended_at is not None
            and batch.ended_at >= since
            and batch.status in Batch.Status.final()
        ):
            yield _batch_event(batch, f"batch.{batch.status}", batch.ended_at, data)
    yield from _manual_changes_since(workspaces, since)


def _manual_changes_since(workspaces: Sequence[UUID], since: datetime) -> Iterator[DomainEvent]:
    # A pause or resumption by a user leaves no time on the batch, only an audit entry.
    entries = AuditEntry.unscoped.filter(
        pk__gte=lowest_id(since),
        workspace__in=workspaces,
        action__in=("batch.paused", "batch.resumed"),
    ).order_by("pk")
    batch_ids = {entry.pk: UUID(entry.object_id) for entry in entries}
    data = _batch_data(Batch.unscoped.filter(pk__in=batch_ids.values()))
    for entry in entries:
        batch = data.get(batch_ids[entry.pk])
        if batch and entry.workspace_id is not None:
            key = f"{entry.action}:{entry.pk}"
            yield DomainEvent(entry.workspace_id, entry.action, key, entry.at, batch)


def callback_events_since(workspaces: Sequence[UUID], since: datetime) -> Iterator[DomainEvent]:
    """Yield the callbacks scheduled since then, and those that were made or missed."""
    ours = Callback.unscoped.filter(workspace__in=workspaces)
    for callback in ours.filter(pk__gte=lowest_id(since)).order_by("pk"):
        yield _callback_event(callback, "callback.scheduled", callback.created_at)
    ended = ours.filter(
        ended_at__gte=since, status__in=(Callback.Status.DONE, Callback.Status.MISSED)
    )
    for callback in ended.order_by("pk"):
        if callback.ended_at is not None:
            yield _callback_event(callback, f"callback.{callback.status}", callback.ended_at)


def _callback_event(callback: Callback, type: str, at: datetime) -> DomainEvent:
    key = f"{type}:{callback.pk}"
    return DomainEvent(callback.workspace_id, type, key, at, serialize_callback(callback))


def batches_paused_by_breaker(workspaces: Sequence[UUID]) -> list[Batch]:
    """Return the batches whose circuit breaker is open now; their `error` is the reason."""
    return list(
        Batch.unscoped.filter(workspace__in=workspaces, status=Batch.Status.PAUSED)
        .exclude(error=None)
        .order_by("pk")
    )


def breaker_pause_events(batches: Sequence[Batch], now: datetime) -> Iterator[DomainEvent]:
    """Yield `batch.paused` for each of these batches."""
    data = _batch_data(batches)
    for batch in batches:
        yield _batch_event(batch, "batch.paused", now, data)


def breaker_resume_events(
    ids: Collection[UUID], since: datetime, now: datetime
) -> Iterator[DomainEvent]:
    """Yield `batch.resumed` of those of the batches that have resumed by themselves.

    `ids` are batches whose breaker was open in the last run and no longer is; `since` is from
    before that run. A user's order has an event of its own.
    """
    orders = AuditEntry.unscoped.filter(
        pk__gte=lowest_id(since), action="batch.resumed", object_id__in=[str(pk) for pk in ids]
    )
    ordered = {UUID(pk) for pk in orders.values_list("object_id", flat=True)}
    batches = list(
        Batch.unscoped.filter(pk__in=set(ids) - ordered, status=Batch.Status.RUNNING).order_by("pk")
    )
    data = _batch_data(batches)
    for batch in batches:
        yield _batch_event(batch, "batch.resumed", now, data)


def unreported_events(recipients: Iterable[Recipient]) -> list[DomainEvent]:
    """Return `recipient.finished` of recipients that no call's end has finished."""
    events = []
    for recipient in recipients:
        at = recipient.unreported_at
        if at is not None:
            key = f"{recipient.pk}:{_milliseconds(at)}"
            if event := unreadable.run(_recipient_event, recipient.pk, recipient, at, key):
                events.append(event)
            else:
                # Asked for again, once it is no longer set aside.
                Recipient.unscoped.filter(pk=recipient.pk).update(unreported_at=at)
    return events


def recipient_events_of(call_ids: Iterable[UUID]) -> tuple[list[DomainEvent], set[UUID]]:
    """Return `recipient.finished` of the recipients that these ended calls finished, and the ids of
    those calls that are settled and need not be asked for again.
    """
    settled = Call.unscoped.filter(pk__in=list(call_ids)).exclude(settled_at=None)
    calls = {call.pk: call for call in settled}
    # A recipient that has been called again is finished by the later call, not by this one.
    finished = Recipient.unscoped.select_related("batch").filter(
        pk__in=[call.recipient_id for call in calls.values()],
        last_call_id__in=list(calls),
        status__in=Recipient.Status.final(),
    )
    set_aside = set(unreadable.waiting())
    for pk in [pk for pk, call in calls.items() if call.recipient_id in set_aside]:
        del calls[pk]
    finished = finished.exclude(pk__in=set_aside)
    events = []
    for recipient in finished:
        if recipient.last_call_id is not None:
            call = calls[recipient.last_call_id]
            at = call.settled_at or call.created_at
            key = str(recipient.last_call_id)
            if event := unreadable.run(_recipient_event, recipient.pk, recipient, at, key):
                events.append(event)
            else:
                del calls[call.pk]
    return events, set(calls)


def _recipient_event(recipient: Recipient, at: datetime, key: str) -> DomainEvent:
    data = {name: getattr(recipient, name) for name in RECIPIENT_EVENT_FIELDS}
    data["variables"] = recipient.variables_in(recipient.batch)
    return DomainEvent(
        recipient.workspace_id, "recipient.finished", f"recipient.finished:{key}", at, data
    )


def _batch_event(batch: Batch, type: str, at: datetime, data: Mapping[UUID, Any]) -> DomainEvent:
    # With the time, because a batch can be paused, and even completed, more than once.
    key = f"{type}:{batch.pk}:{_milliseconds(at)}"
    return DomainEvent(batch.workspace_id, type, key, at, data[batch.pk])


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _batch_data(batches: Iterable[Batch]) -> dict[UUID, dict[str, Any]]:
    """Return each batch as the API answers it, by its id."""
    batches = list(batches)
    prefetch_related_objects(batches, "phone_number")  # whose pace is that of most batches
    bodies = BatchSerializer(batches, many=True).data if batches else []
    return {batch.pk: dict(body) for batch, body in zip(batches, bodies, strict=True)}
