"""The rows of the admin's benchmark: those of the API's, and a long history beside them."""

from datetime import datetime

from django.db import connection, models
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from batches.models import Batch, Recipient, RejectedRow
from ops.bench.api_rows import ID_OF_ROW, SERIES, ApiRows, prepare_rows
from ops.bench.row_copies import copy_row
from telephony.models import Call, CallEvent, InboxEvent
from telephony.services.hourly_counts import count_hours
from webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

# Rows of history for each call.
HISTORY_PER_CALL = 0.3
WAITING_CASES = 200
DAYS = 30
LONG_BATCHES = 20
REFUSED_PER_CALL = 0.02
NUMBERED_CALLS = (
    f'(SELECT id AS call_key, row_number() OVER () AS n FROM "{Call._meta.db_table}" LIMIT %s) c'  # noqa: S608 - our own name
)
EVENT_OF_ROW = "(array['call.ended', 'batch.completed', 'call.answered'])[1 + mod(n, 3)]"


def prepare_history(rows: int) -> ApiRows:
    """Fill an empty database with `rows` calls and recipients, and what is written beside them."""
    made = prepare_rows(rows, days=DAYS, long_batches=LONG_BATCHES)
    now, count = timezone.now(), max(1, int(rows * HISTORY_PER_CALL))
    workspace = made.long_batch.workspace
    milliseconds = int(now.timestamp() * 1000) - count
    ids = [ID_OF_ROW % (milliseconds, 1, f"{8 + number:x}000") for number in range(4)]
    _copy(
        AuditEntry(workspace=workspace, actor_type="system", action="call.created"), ids[0], count
    )
    _copy_events(made, ids[1], now, count)
    _copy_deliveries(workspace, ids[2:], now, count)
    _copy_refused_rows(made.long_batch, ids[0], max(1, int(rows * REFUSED_PER_CALL)))
    _put_into_review(made.long_batch)
    _analyze()
    while count_hours():  # as a worker does all the time
        pass
    return made


def _copy(template: models.Model, id_of_row: str, rows: int, **differences: str) -> None:
    template.save(force_insert=True)
    copy_row(template, {"id": id_of_row, **differences}, source=SERIES, params=[rows])


def _copy_events(made: ApiRows, id_of_row: str, now: datetime, rows: int) -> None:
    workspace, call = made.long_batch.workspace, made.calls[0]
    event = CallEvent(workspace=workspace, call_id=call, type="ringing", text="It rings", at=now)
    event.save(force_insert=True)
    differences = {"id": id_of_row, "call_id": "c.call_key"}
    copy_row(event, differences, source=NUMBERED_CALLS, params=[rows])
    inbox = InboxEvent(
        event_id="EV_0", event="room_started", room="vo-0", body={}, received_at=now, applied_at=now
    )
    inbox.save(force_insert=True)
    differences = {
        "event_id": "'EV_' || n",
        "room": "'vo-' || n",
        "received_at": "t.received_at - n * interval '1 second'",
    }
    copy_row(inbox, differences, source=SERIES, params=[rows])


def _copy_deliveries(workspace: Workspace, ids: list[str], now: datetime, rows: int) -> None:
    endpoint = WebhookEndpoint.unscoped.order_by("pk")[0]
    event = WebhookEvent(workspace=workspace, type="call.ended", key="0", body="{}", at=now)
    _copy(event, ids[0], rows, key="'key' || n", type=EVENT_OF_ROW)
    delivery = WebhookDelivery(
        workspace=workspace, endpoint=endpoint, event=event, due_at=now, response_status=200,
        status=WebhookDelivery.Status.DELIVERED, delivered_at=now, attempts=1,
    )  # fmt: skip
    _copy(delivery, ids[1], rows, event_id=ids[0])


def _copy_refused_rows(batch: Batch, id_of_row: str, rows: int) -> None:
    row = RejectedRow(batch=batch, workspace=batch.workspace, row_number=0, values=["12"])
    row.error_code, row.error_message = "invalid_number", "Not a number"
    _copy(row, id_of_row, rows, row_number="n")


def _put_into_review(batch: Batch) -> None:
    waiting = batch.recipients.order_by("row_number").values_list("pk", flat=True)
    Recipient.unscoped.filter(pk__in=list(waiting[:WAITING_CASES])).update(
        status=Recipient.Status.REVIEW, reason="in_doubt"
    )


def _analyze() -> None:
    # PostgreSQL does this by itself, but only minutes later; until then every list is scanned.
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
