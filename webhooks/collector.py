"""Collects what happened since the last run and stores it as events with their deliveries.

One worker at a time, under the lock of the cursor.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from batches.domain.unreported import pop_unreported, workspaces_with_unreported
from batches.models import Batch
from telephony.models import CallEvent
from voiceops.core.clock import database_now
from webhooks.events import (
    EVENT_PAGE_ROWS,
    DomainEvent,
    batch_events_since,
    batches_paused_by_breaker,
    breaker_pause_events,
    breaker_resume_events,
    call_event_pages_since,
    callback_events_since,
    read_call_events,
    recipient_events_of,
    time_of_id,
    unreadable,
    unreported_events,
)
from webhooks.models import WebhookCursor, WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.signing import build_body

CURSOR_NAME = "events"
# Rows are dated before they are committed, so every run starts this long before the last one …
COLLECT_OVERLAP = timedelta(seconds=5)
# … and every DEEP_OVERLAP_INTERVAL one starts earlier, for long transactions.
DEEP_COLLECT_OVERLAP = timedelta(minutes=2)
DEEP_COLLECT_INTERVAL = timedelta(seconds=30)
MAX_PAGES_PER_RUN = 10
MAX_UNREPORTED_PER_RUN = 10_000  # shared between the workspaces that have any
MIN_UNREPORTED_PER_WORKSPACE = 100
EVENT_INSERT_ROWS = 500
MAX_UNREADABLE_ROWS = 500  # that are tried again; of more, the oldest are given up
EndpointsByWorkspace = Mapping[UUID, Sequence[WebhookEndpoint]]


def collect_events() -> int:
    """Store what happened since the last run. Returns the number of new events, which is 0 while
    another worker collects.
    """
    endpoints = list(WebhookEndpoint.unscoped.filter(is_enabled=True).order_by("pk"))
    if not endpoints:
        return 0
    oldest = min(endpoint.created_at for endpoint in endpoints)
    WebhookCursor.objects.get_or_create(name=CURSOR_NAME, defaults={"position": oldest})
    # `skip_locked` lets other workers continue with deliveries instead of waiting.
    with transaction.atomic():
        cursors = WebhookCursor.objects.select_for_update(skip_locked=True)
        cursor = cursors.filter(name=CURSOR_NAME).first()
        return _collect(cursor, endpoints, oldest) if cursor else 0


def _collect(cursor: WebhookCursor, endpoints: Sequence[WebhookEndpoint], oldest: datetime) -> int:
    now = database_now()
    by_workspace = _group_by_workspace(endpoints)
    workspaces = list(by_workspace)
    # No endpoint gets events older than itself, so nothing before the oldest endpoint is read.
    since = max(cursor.position - _overlap(cursor, now), oldest)

    # Calls that ended, but whose recipients are not settled yet: asked for again in every run.
    awaiting = [UUID(pk) for pk in cursor.state.get("awaiting", [])]
    position, new = now, 0
    unreadable_ids = _retry_unreadable(cursor, by_workspace, now)
    for number, page in enumerate(call_event_pages_since(workspaces, since), start=1):
        new += store_events(page.events, by_workspace)
        awaiting += page.ended_call_ids
        unreadable_ids += map(str, page.unreadable_ids)
        if number == MAX_PAGES_PER_RUN:
            # A long transaction would hold others up; the next run continues from here.
            position = max(cursor.position, min(now, time_of_id(page.last_id)))
            break

    recipient_events, settled = recipient_events_of(awaiting)
    new += _collect_unreported(by_workspace)
    # A breaker's pause has no time of its own: it is new if the last run did not find it.
    paused = batches_paused_by_breaker(workspaces)
    batch_events = [
        *batch_events_since(workspaces, since),
        *_breaker_events(paused, set(cursor.state.get("paused", [])), since, now),
    ]
    new += store_events([*recipient_events, *batch_events], by_workspace)
    new += store_events(callback_events_since(workspaces, since), by_workspace)

    cursor.position = position
    cursor.state = {
        **cursor.state,
        "awaiting": sorted({str(pk) for pk in awaiting if pk not in settled}),
        "paused": [str(batch.pk) for batch in paused],
        "unreadable": list(dict.fromkeys(unreadable_ids))[-MAX_UNREADABLE_ROWS:],
    }
    cursor.save(update_fields=["position", "state"])
    return new


def _breaker_events(
    paused: Sequence[Batch], known: set[str], since: datetime, now: datetime
) -> Iterator[DomainEvent]:
    """Yield the pauses that the last run did not know, and the ends of those that it did."""
    resumed = {UUID(pk) for pk in known.difference(str(batch.pk) for batch in paused)}
    yield from breaker_pause_events([row for row in paused if str(row.pk) not in known], now)
    yield from breaker_resume_events(resumed, since, now)


def _retry_unreadable(
    cursor: WebhookCursor, by_workspace: EndpointsByWorkspace, now: datetime
) -> list[str]:
    """Store the events of rows that could not be read before; returns the rows that still cannot.

    Tried again only when a run reaches back far, so that their errors do not fill the log.
    """
    ids: list[str] = cursor.state.get("unreadable", [])
    if not ids or cursor.state.get("deep_at") != now.isoformat():
        return list(ids)
    rows = list(CallEvent.unscoped.filter(pk__in=ids).order_by("pk"))
    if not rows:
        return []
    page = read_call_events(rows)
    store_events(page.events, by_workspace)
    return [str(pk) for pk in page.unreadable_ids]


def _collect_unreported(by_workspace: EndpointsByWorkspace) -> int:
    """Store the events of recipients that no call's end has finished; returns how many."""
    new = 0
    workspaces = workspaces_with_unreported(list(by_workspace))
    # A million of one workspace must not hold back the few of another.
    share = MAX_UNREPORTED_PER_RUN // max(len(workspaces), 1)
    for workspace_id in workspaces:
        left = max(share, MIN_UNREPORTED_PER_WORKSPACE)
        while left > 0:
            limit = min(left, EVENT_PAGE_ROWS)
            recipients = pop_unreported(
                [workspace_id], limit=limit, except_ids=unreadable.waiting()
            )
            new += store_events(unreported_events(recipients), by_workspace)
            left = left - limit if len(recipients) == limit else 0
    return new


def _group_by_workspace(endpoints: Sequence[WebhookEndpoint]) -> EndpointsByWorkspace:
    by_workspace: dict[UUID, list[WebhookEndpoint]] = {}
    for endpoint in endpoints:
        by_workspace.setdefault(endpoint.workspace_id, []).append(endpoint)
    return by_workspace


def _overlap(cursor: WebhookCursor, now: datetime) -> timedelta:
    last = cursor.state.get("deep_at")
    if last is not None and now - datetime.fromisoformat(last) < DEEP_COLLECT_INTERVAL:
        return COLLECT_OVERLAP
    cursor.state = {**cursor.state, "deep_at": now.isoformat()}
    return DEEP_COLLECT_OVERLAP


def store_events(found: Iterable[DomainEvent], endpoints: EndpointsByWorkspace) -> int:
    """Store the events that are new and that an endpoint subscribes to, with their deliveries.

    Returns the number of events stored. An endpoint gets no events older than itself.
    """
    wanted = {event.key: event for event in found if _subscribers(event, endpoints)}
    # Runs overlap, so most of what is found has been stored by an earlier one.
    known = WebhookEvent.unscoped.filter(workspace__in=list(endpoints), key__in=list(wanted))
    for key in known.values_list("key", flat=True):
        del wanted[key]

    rows = {key: _event_row(event) for key, event in wanted.items()}
    WebhookEvent.unscoped.bulk_create(rows.values(), batch_size=EVENT_INSERT_ROWS)
    now = database_now()
    deliveries = [
        WebhookDelivery(
            workspace_id=event.workspace_id, endpoint=endpoint, event=rows[key], due_at=now
        )
        for key, event in wanted.items()
        for endpoint in _subscribers(event, endpoints)
    ]
    WebhookDelivery.unscoped.bulk_create(deliveries, batch_size=EVENT_INSERT_ROWS)
    return len(rows)


def _event_row(event: DomainEvent) -> WebhookEvent:
    return WebhookEvent(
        workspace_id=event.workspace_id,
        type=event.type,
        key=event.key,
        at=event.at,
        body=build_body(event.type, event.at, event.data),
    )


def _subscribers(event: DomainEvent, endpoints: EndpointsByWorkspace) -> list[WebhookEndpoint]:
    return [
        endpoint
        for endpoint in endpoints.get(event.workspace_id, ())
        if event.type in endpoint.events and event.at >= endpoint.created_at
    ]
