"""Writes recipients and refused rows in bulk: COPY on PostgreSQL, executemany on SQLite.

The ORM's bulk_create reaches a seventh of COPY's speed (perf.md), and here every microsecond is there a million times:
hence one line of text for each row, and nothing generic.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from batches.models import Batch, Recipient, RejectedRow

_BLOCK = 500  # rows joined into one write to the server: about 64 KB
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_RECIPIENT = (
    "workspace_id, batch_id, attempts, sends, outcome, last_call_id, "
    'id, row_number, phone_number, "values", is_duplicate, status, reason, due_at'
)
_REJECTED = 'workspace_id, batch_id, id, row_number, error_code, error_message, "values"'


class NewRecipient(NamedTuple):
    """`values` is JSON. Without a reason the recipient is pending and due at once, with one it is skipped."""

    id: str
    row_number: int
    phone_number: str
    values: str
    is_duplicate: bool
    reason: str | None


class NewRejectedRow(NamedTuple):
    id: str
    row_number: int
    error_code: str
    error_message: str
    values: str


def insert_recipients(batch: Batch, rows: Sequence[NewRecipient], *, now: datetime) -> None:
    """Insert inside the caller's transaction. Raises IntegrityError when one of the rows is there already."""
    table = Recipient._meta.db_table
    if connection.vendor == "postgresql":
        _copy(table, _RECIPIENT, _recipient_lines(batch, rows, now.isoformat()))
        return
    shared = (batch.workspace_id.hex, batch.pk.hex, 0, 0, None, None)
    pending, skipped = ("pending", None, connection.ops.adapt_datetimefield_value(now)), "skipped"
    _execute_many(
        table,
        _RECIPIENT,
        [
            (*shared, row[0].replace("-", ""), *row[1:5], *((skipped, row.reason, None) if row.reason else pending))
            for row in rows
        ],
    )


def insert_rejected(batch: Batch, rows: Sequence[NewRejectedRow]) -> None:
    """Insert inside the caller's transaction. Raises IntegrityError when one of the rows is there already."""
    table = RejectedRow._meta.db_table
    if connection.vendor == "postgresql":
        head = f"{batch.workspace_id}\t{batch.pk}\t"
        _copy(
            table, _REJECTED, (head + "\t".join([str(cell).translate(_ESCAPES) for cell in row]) + "\n" for row in rows)
        )
        return
    shared = (batch.workspace_id.hex, batch.pk.hex)
    _execute_many(table, _REJECTED, [(*shared, UUID(row.id).hex, *row[1:]) for row in rows])


def _recipient_lines(batch: Batch, rows: Iterable[NewRecipient], now: str) -> Iterator[str]:
    """COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html. JSON has no raw control characters."""
    head = f"{batch.workspace_id}\t{batch.pk}\t0\t0\t\\N\t\\N\t"
    pending = f"pending\t\\N\t{now}\n"
    for key, number, phone, values, is_duplicate, reason in rows:
        if "\\" in values:
            values = values.replace("\\", "\\\\")
        end = f"skipped\t{reason}\t\\N\n" if reason else pending
        yield f"{head}{key}\t{number}\t{phone}\t{values}\t{is_duplicate}\t{end}"


def _copy(table: str, columns: str, lines: Iterator[str]) -> None:
    with connection.cursor() as cursor, cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:
        while block := "".join(islice(lines, _BLOCK)):
            copy.write(block)


def _execute_many(table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * (columns.count(",") + 1))
    with connection.cursor() as cursor:
        cursor.executemany(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', rows)  # noqa: S608 - our own names
