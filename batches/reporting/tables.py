"""Results and refused rows as tables, read a chunk at a time: memory does not grow with the batch.

Cells that a spreadsheet would run as a formula get an apostrophe in front (reliability.md E6),
except phone numbers in E.164 and what is a number rather than a text.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from batches.models import Batch
from telephony.models import Call

RESULT_COLUMNS = (
    "status",
    "outcome",
    "reason",
    "attempts",
    "sip_status_code",
    "called_at",
    "duration_seconds",
    "call_id",
)
REFUSAL_COLUMNS = ("row_number", "error_code", "error_message")
REPORT_CHUNK_ROWS = 900
Row = list[Any]
LastCall = tuple[int | None, datetime | None, float | None, UUID]


def result_rows(batch: Batch) -> Iterator[Row]:
    """A header, then for each person the uploaded cells and what became of them, in file order."""
    yield [*batch.columns, *RESULT_COLUMNS]
    fields = ("row_number", "pk", "values", "status", "outcome", "reason", "attempts")
    width = len(batch.columns)
    for people in _chunks(batch.recipients, fields):
        calls = last_sent_calls([person[1] for person in people])
        for _, pk, values, *told in people:
            yield [*_fit(values, width), *told, *calls.get(pk, (None, None, None, None))]


def rejected_rows(batch: Batch) -> Iterator[Row]:
    """A header, then the refused rows as uploaded, each with its number in the list and the reason.

    Cells a row had beyond the header stand last. The importer reads such a list back
    (`importing.columns`).
    """
    yield [*batch.columns, *REFUSAL_COLUMNS]
    width = len(batch.columns)
    for refused in _chunks(
        batch.rejected_rows, ("row_number", "values", "error_code", "error_message")
    ):
        for number, values, code, message in refused:
            yield [*_fit(values, width), number, code, message, *values[width:]]


def last_sent_calls(recipients: Sequence[UUID]) -> dict[UUID | None, LastCall]:
    """Of each person the last attempt that was sent: SIP status, when, seconds from answer to end,
    id.
    """
    sent = (
        Call.unscoped.filter(recipient_id__in=recipients)
        .exclude(dialed_at=None)
        .order_by("sequence")
    )
    told = sent.values_list(
        "recipient_id", "sip_status_code", "dialed_at", "answered_at", "ended_at", "pk"
    )
    return {
        person: (
            code,
            dialed,
            round((ended - answered).total_seconds(), 3) if answered and ended else None,
            pk,
        )
        for person, code, dialed, answered, ended, pk in told
    }


def _chunks(related: Any, fields: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """By row number, which must be among `fields` first: every chunk is a short query of its own."""
    last = -1
    while chunk := list(
        related.filter(row_number__gt=last)
        .order_by("row_number")
        .values_list(*fields)[:REPORT_CHUNK_ROWS]
    ):
        yield chunk
        last = chunk[-1][0]


def _fit(values: Row, width: int) -> Row:
    """As many cells as there are columns: lists appended later may have brought columns of their
    own.
    """
    return [*values[:width], *[None] * (width - len(values))]
