"""Writes recipients and rejected rows in bulk: COPY on PostgreSQL, long INSERTs on SQLite.

The ORM's bulk_create reaches a seventh of COPY's speed (docs/performance.md), and every
microsecond here is spent a million times. Hence each row is formatted by one line of code, without
generic encoders.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.db import connection
from uuid_utils import uuid7

from batches.models import Batch, Recipient, RejectedRow
from voiceops.db.chunks import chunked

ANALYZE_FROM_ROWS = 5_000
COPY_BLOCK_LINES = 500  # joined into one write to the server: about 64 KB
# Of one INSERT on SQLite, whose statements may have 32,766 parameters.
INSERT_ROWS = 500
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_RECIPIENT_COLUMNS = (
    "workspace_id, batch_id, attempts, sends, outcome, last_call_id, "
    'id, row_number, phone_number, "values", is_duplicate, external_id, other_numbers, priority, '
    "timezone, status, reason, due_at"
)
_REJECTED_COLUMNS = 'workspace_id, batch_id, id, row_number, error_code, error_message, "values"'


class Extras(NamedTuple):
    """What only some lists have for a recipient."""

    external_id: str | None = None
    other_numbers: str | None = None
    priority: int = 0
    timezone: str | None = None


Encoded: TypeAlias = Any
NO_EXTRAS = Extras()
_NO_EXTRAS_LINE = "\\N\t\\N\t0\t\\N"


class NewRejectedRow(NamedTuple):
    id: str
    row_number: int
    error_code: str
    error_message: str
    values: str


class RecipientInserter:
    """Encodes the recipients of one chunk, one at a time, and inserts them together.

    All of them are due at `now`. `encode` takes the row number, the phone number, the cells as
    JSON, whether the number is a duplicate, why the recipient is skipped (None for pending), and
    what only some lists have.
    """

    def __init__(self, batch: Batch, now: datetime) -> None:
        self._on_postgresql = connection.vendor == "postgresql"
        if self._on_postgresql:
            # What all rows share is formatted once.
            self._head = f"{batch.workspace_id}\t{batch.pk}\t0\t0\t\\N\t\\N\t"
            self._pending = f"pending\t\\N\t{now.isoformat()}\n"
            self.encode = self._as_line
        else:
            self._shared = (batch.workspace_id.hex, batch.pk.hex, 0, 0, None, None)
            self._now = connection.ops.adapt_datetimefield_value(now)
            self.encode = self._as_parameters

    def _as_line(
        self,
        row_number: int,
        phone: str,
        values: str,
        is_duplicate: bool,
        reason: str | None,
        extras: Extras = NO_EXTRAS,
    ) -> Encoded:
        """Return a line of COPY's text format.

        Source: https://www.postgresql.org/docs/current/sql-copy.html
        """
        # JSON has no raw control characters, so only backslashes need escaping.
        if "\\" in values:
            values = values.replace("\\", "\\\\")
        end = f"skipped\t{reason}\t\\N\n" if reason else self._pending
        more = _NO_EXTRAS_LINE if extras is NO_EXTRAS else _extras_line(extras)
        return (
            f"{self._head}{uuid7()}\t{row_number}\t{phone}\t{values}\t{is_duplicate}\t{more}\t{end}"
        )

    # Row by row the same values as `_as_line`, as SQLite's driver wants them.
    def _as_parameters(
        self,
        row_number: int,
        phone: str,
        values: str,
        is_duplicate: bool,
        reason: str | None,
        extras: Extras = NO_EXTRAS,
    ) -> Encoded:
        end = ("skipped", reason, None) if reason else ("pending", None, self._now)
        return (*self._shared, uuid7().hex, row_number, phone, values, is_duplicate, *extras, *end)

    def insert(self, encoded: Sequence[Any]) -> None:
        """Insert what `encode` returned, inside the caller's transaction.

        Raises IntegrityError when one of the rows is stored already.
        """
        if self._on_postgresql:
            _copy(Recipient._meta.db_table, _RECIPIENT_COLUMNS, encoded)
        else:
            _insert_rows(Recipient._meta.db_table, _RECIPIENT_COLUMNS, encoded)


def _extras_line(extras: Extras) -> str:
    """Return the extras as columns of COPY's text format."""
    texts = [
        "\\N" if text is None else text.translate(_ESCAPES)
        for text in (extras.external_id, extras.other_numbers)
    ]
    return "\t".join((*texts, str(extras.priority), extras.timezone or "\\N"))


def insert_rejected(batch: Batch, rows: Sequence[NewRejectedRow]) -> None:
    """Insert rejected rows inside the caller's transaction.

    Raises IntegrityError when one of the rows is stored already.
    """
    table = RejectedRow._meta.db_table
    if connection.vendor == "postgresql":
        head = f"{batch.workspace_id}\t{batch.pk}\t"
        lines = []
        for row in rows:
            cells = [str(cell).translate(_ESCAPES) for cell in row]
            lines.append(head + "\t".join(cells) + "\n")
        _copy(table, _REJECTED_COLUMNS, lines)
        return
    shared = (batch.workspace_id.hex, batch.pk.hex)
    parameters = [(*shared, UUID(row.id).hex, *row[1:]) for row in rows]
    _insert_rows(table, _REJECTED_COLUMNS, parameters)


def _copy(table: str, columns: str, lines: Sequence[str]) -> None:
    # An empty COPY would still cost a round trip.
    if not lines:
        return
    with (
        connection.cursor() as cursor,
        cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy,
    ):
        for block in chunked(lines, COPY_BLOCK_LINES):
            copy.write("".join(block))


def _insert_rows(table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert many rows with a statement: `executemany` gives Python's lock back and takes it again
    for every row, so that beside busy threads it kept SQLite's only writer for seconds.
    """
    marks = ", ".join(["%s"] * (columns.count(",") + 1))
    with connection.cursor() as cursor:
        for block in chunked(rows, INSERT_ROWS):
            values = ", ".join([f"({marks})"] * len(block))
            sql = f'INSERT INTO "{table}" ({columns}) VALUES {values}'  # noqa: S608 our own names
            cursor.execute(sql, list(chain.from_iterable(block)))


def commit_without_waiting() -> None:
    """Make this transaction's commit not wait for the disk (PostgreSQL).

    After a crash of the server, a chunk's rows and its `rows_read` are lost together.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")


def check_foreign_keys_now() -> None:
    """Check foreign keys before the commit, for which the next chunk waits."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def analyze_recipients(batch: Batch) -> None:
    """Refresh PostgreSQL's statistics after a long import.

    Autovacuum notices the growth only minutes later, and until then plans are bad.
    """
    if connection.vendor != "postgresql":
        return
    if Recipient.unscoped.filter(batch=batch)[ANALYZE_FROM_ROWS:].exists():
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{Recipient._meta.db_table}"')
