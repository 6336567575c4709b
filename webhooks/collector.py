"""Writes down what happened, once, and whom it is to be told. One worker at a time, under the lock
of the cursor.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from voiceops.core.clock import database_now
from webhooks.events import (
    DomainEvent,
    batch_events_since,
    call_events_since,
    paused_by_themselves,
    recipient_events_since,
    self_paused,
    time_of,
)
from webhooks.models import WebhookCursor, WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.signing import body_of

NAME = "events"
OVERLAP = timedelta(
    seconds=5
)  # rows are dated before they are committed: look back this far every time
DEEP_OVERLAP = timedelta(
    minutes=2
)  # and this far from time to time, for transactions that took longer
DEEP_EVERY = timedelta(seconds=30)
Endpoints = Mapping[UUID, Sequence[WebhookEndpoint]]


def collect_events() -> int:
    """Write down what happened since last time. Returns how many events are new; 0 where another
    worker is at it.
    """
    endpoints = list(WebhookEndpoint.unscoped.filter(is_enabled=True).order_by("pk"))
    if not endpoints:
        return 0
    oldest = min(endpoint.created_at for endpoint in endpoints)
    WebhookCursor.objects.get_or_create(name=NAME, defaults={"position": oldest})
    with transaction.atomic():
        cursor = WebhookCursor.objects.select_for_update(skip_locked=True).filter(name=NAME).first()
        return _collect(cursor, endpoints, oldest) if cursor else 0


def _collect(cursor: WebhookCursor, endpoints: Sequence[WebhookEndpoint], oldest: datetime) -> int:
    now = database_now()
    by_workspace: dict[UUID, list[WebhookEndpoint]] = {}
    for endpoint in endpoints:
        by_workspace.setdefault(endpoint.workspace_id, []).append(endpoint)
    ids = list(by_workspace)
    since = max(cursor.position - _overlap(cursor, now), oldest)
    awaiting: list[UUID] = [UUID(pk) for pk in cursor.state.get("awaiting", [])]
    position, new = now, 0
    for pages, news in enumerate(call_events_since(ids, since), start=1):
        new += store_events(news.happenings, by_workspace)
        awaiting += news.ended
        if pages == 10:  # a long transaction holds others up: go on from here at the next beat
            position = max(cursor.position, min(now, time_of(news.last)))
            break
    people, settled = recipient_events_since(awaiting)
    paused = paused_by_themselves(ids)
    known = set(cursor.state.get("paused", []))
    fresh = self_paused([batch for batch in paused if str(batch.pk) not in known], now)
    new += store_events([*people, *batch_events_since(ids, since), *fresh], by_workspace)
    cursor.position = position
    cursor.state = {
        **cursor.state,
        "awaiting": sorted({str(pk) for pk in awaiting if pk not in settled}),
        "paused": [str(batch.pk) for batch in paused],
    }
    cursor.save(update_fields=["position", "state"])
    return new


def _overlap(cursor: WebhookCursor, now: datetime) -> timedelta:
    last = cursor.state.get("deep_at")
    if last is not None and now - datetime.fromisoformat(last) < DEEP_EVERY:
        return OVERLAP
    cursor.state = {**cursor.state, "deep_at": now.isoformat()}
    return DEEP_OVERLAP


def store_events(happenings: Iterable[DomainEvent], endpoints: Endpoints) -> int:
    """Store those that are new, with a delivery for every endpoint that wants them and was there
    when they happened.
    """
    wanted = {
        happening.key: happening
        for happening in happenings
        if any(
            _wants(endpoint, happening) for endpoint in endpoints.get(happening.workspace_id, ())
        )
    }
    known = WebhookEvent.unscoped.filter(workspace__in=list(endpoints), key__in=list(wanted))
    for key in known.values_list("key", flat=True):
        del wanted[key]
    events = {
        key: WebhookEvent(
            workspace_id=found.workspace_id,
            type=found.type,
            key=key,
            at=found.at,
            body=body_of(found.type, found.at, found.data),
        )
        for key, found in wanted.items()
    }
    WebhookEvent.unscoped.bulk_create(events.values(), batch_size=500)
    now = database_now()
    WebhookDelivery.unscoped.bulk_create(
        [
            WebhookDelivery(
                workspace_id=event.workspace_id, endpoint=endpoint, event=event, due_at=now
            )
            for key, event in events.items()
            for endpoint in endpoints[event.workspace_id]
            if _wants(endpoint, wanted[key])
        ],
        batch_size=500,
    )
    return len(events)


def _wants(endpoint: WebhookEndpoint, happening: DomainEvent) -> bool:
    return happening.type in endpoint.events and happening.at >= endpoint.created_at
