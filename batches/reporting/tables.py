"""Results and rejected rows as tables, read a chunk at a time.

Memory does not grow with the batch. Writers escape the cells that a spreadsheet would run as a
formula (docs/reference/reliability.md §E6).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery

from batches.domain.spreadsheets import REJECTION_COLUMNS, RESULT_COLUMNS
from batches.models import Batch
from telephony.models import Call
from voiceops.core.csv_encoding import CHUNK_ROWS, Row

SentCall = tuple[int | None, datetime | None, float | None, UUID]
"""SIP status, when it was dialled, seconds from answer to end, id."""
NO_CALL = (None, None, None, None)


def result_rows(batch: Batch) -> Iterator[Row]:
    """Yield a header, then each recipient's uploaded cells and result, in file order."""
    yield [*batch.columns, *RESULT_COLUMNS]
    width = len(batch.columns)
    fields = ("row_number", "pk", "values", "status", "outcome", "reason", "attempts")
    for recipients in _chunks(batch.recipients, fields):
        calls = last_sent_calls([pk for _, pk, *_ in recipients])
        for _, pk, values, *result in recipients:
            yield [*_fit_to_width(values, width), *result, *calls.get(pk, NO_CALL)]


def rejected_rows(batch: Batch) -> Iterator[Row]:
    """Yield a header, then the rejected rows as uploaded, each with its row number and reason.

    Cells beyond the header come last. The importer reads such a list back (`importing.columns`).
    """
    yield [*batch.columns, *REJECTION_COLUMNS]
    width = len(batch.columns)
    fields = ("row_number", "values", "error_code", "error_message")
    for rows in _chunks(batch.rejected_rows, fields):
        for row_number, values, code, message in rows:
            cells = _fit_to_width(values, width)
            yield [*cells, row_number, code, message, *values[width:]]


def last_sent_calls(recipient_ids: Sequence[UUID]) -> dict[UUID | None, SentCall]:
    """Return each recipient's last attempt that was sent, in one query."""
    sent = Call.unscoped.filter(recipient_id__in=recipient_ids).exclude(dialed_at=None)
    rows = sent.order_by("sequence").values_list(
        "recipient_id", "sip_status_code", "dialed_at", "answered_at", "ended_at", "pk"
    )
    calls: dict[UUID | None, SentCall] = {}
    for recipient_id, sip_status, dialed_at, answered_at, ended_at, pk in rows:
        seconds = None
        if answered_at and ended_at:
            seconds = round((ended_at - answered_at).total_seconds(), 3)
        # Later attempts replace earlier ones.
        calls[recipient_id] = (sip_status, dialed_at, seconds, pk)
    return calls


def last_sent_call() -> Subquery:
    """Return the id of a recipient's last attempt that was sent, as an expression."""
    sent = Call.unscoped.filter(recipient_id=OuterRef("pk"), dialed_at__isnull=False)
    return Subquery(sent.order_by("-sequence").values("pk")[:1])


def _chunks(related: Any, fields: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows in the order of their number, each chunk by a short query of its own.

    The first of `fields` must be `row_number`.
    """
    # Keyset paging: an open cursor would keep a transaction alive while a client downloads.
    last_row = -1
    rows = related.order_by("row_number").values_list(*fields)
    while chunk := list(rows.filter(row_number__gt=last_row)[:CHUNK_ROWS]):
        yield chunk
        last_row = chunk[-1][0]


def _fit_to_width(values: Row, width: int) -> Row:
    """Return one cell for each column: lists appended later may have brought new columns."""
    return [*values[:width], *[None] * (width - len(values))]
