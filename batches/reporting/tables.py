"""Results and refused rows as tables, read a chunk at a time: memory does not grow with the batch.

Cells that a spreadsheet would run as a formula get an apostrophe in front (reliability.md E6), except phone numbers
in E.164 and what is a number rather than a text.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

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
CHUNK = 900
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\0")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
Row = list[Any]
LastCall = tuple[int | None, datetime | None, float | None, UUID]


def result_rows(batch: Batch) -> Iterator[Row]:
    """A header, then for each person the uploaded cells and what became of them, in file order."""
    yield [*batch.columns, *RESULT_COLUMNS]
    fields = ("row_number", "pk", "values", "status", "outcome", "reason", "attempts")
    width = len(batch.columns)
    for people in _chunks(batch.recipients, fields):
        calls = last_calls([person[1] for person in people])
        for _, pk, values, *told in people:
            yield [*_fit(values, width), *told, *calls.get(pk, (None, None, None, None))]


def refusal_rows(batch: Batch) -> Iterator[Row]:
    """A header, then the refused rows as uploaded, each with its number in the list and the reason.

    Cells a row had beyond the header stand last. The importer reads such a list back (`importing.columns`).
    """
    yield [*batch.columns, *REFUSAL_COLUMNS]
    width = len(batch.columns)
    for refused in _chunks(batch.rejected_rows, ("row_number", "values", "error_code", "error_message")):
        for number, values, code, message in refused:
            yield [*_fit(values, width), number, code, message, *values[width:]]


def last_calls(recipients: Sequence[UUID]) -> dict[UUID | None, LastCall]:
    """Of each person the last attempt that was sent: SIP status, when, seconds from answer to end, id."""
    sent = Call.unscoped.filter(recipient_id__in=recipients).exclude(dialed_at=None).order_by("sequence")
    told = sent.values_list("recipient_id", "sip_status_code", "dialed_at", "answered_at", "ended_at", "pk")
    return {
        person: (code, dialed, round((ended - answered).total_seconds(), 3) if answered and ended else None, pk)
        for person, code, dialed, answered, ended, pk in told
    }


def as_csv(rows: Iterable[Row]) -> Iterator[bytes]:
    """Rows as CSV in UTF-8, some hundred a piece."""
    pieces: list[str] = []
    write = csv.writer(_Collector(pieces.append)).writerow
    for row in rows:
        write([as_text(cell) for cell in row])
        if len(pieces) >= CHUNK:
            yield "".join(pieces).encode()
            pieces.clear()
    yield "".join(pieces).encode()


def as_text(cell: Any) -> str:
    """A cell as a person reads it, harmless in a spreadsheet."""
    if type(cell) is str:  # most are, and there may be a dozen million
        return harmless(cell)
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return timestamp(cell)
    if isinstance(cell, dict | list):
        return harmless(orjson.dumps(cell).decode())
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(DANGEROUS) and not E164.fullmatch(text) else text


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Collector:
    """What csv.writer writes to: passes every line on."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write


def _chunks(related: Any, fields: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """By row number, which must be among `fields` first: every chunk is a short query of its own."""
    last = -1
    while chunk := list(related.filter(row_number__gt=last).order_by("row_number").values_list(*fields)[:CHUNK]):
        yield chunk
        last = chunk[-1][0]


def _fit(values: Row, width: int) -> Row:
    """As many cells as there are columns: lists appended later may have brought columns of their own."""
    return [*values[:width], *[None] * (width - len(values))]
