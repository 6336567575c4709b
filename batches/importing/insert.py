"""Writes rows of recipients and refusals in bulk: COPY on PostgreSQL, executemany on SQLite.

The ORM's bulk_create reaches a seventh of COPY's speed (perf.md). A row comes as the values of its columns, the first
of which is its id; ids and JSON are text, instants are aware datetimes.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection

Value = str | int | bool | datetime | UUID | None
Row = tuple[str, *tuple[Value, ...]]
_BLOCK = 500  # rows joined into one write to the server: about 64 KB
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def insert_rows(table: str, columns: Sequence[str], rows: Sequence[Row], *, shared: dict[str, Value]) -> None:
    """Insert rows inside the caller's transaction. `shared` are the columns in which all rows are alike.

    Raises IntegrityError when one of them is there already.
    """
    if not rows:
        return
    if connection.vendor == "postgresql":
        _copy(table, [*shared, *columns], rows, list(shared.values()))
    else:
        _execute_many(table, [*shared, *columns], rows, list(shared.values()))


def _copy(table: str, columns: Sequence[str], rows: Sequence[Row], shared: Sequence[Value]) -> None:
    quoted = ", ".join(f'"{column}"' for column in columns)
    head = "\t".join(map(_as_copy_text, shared))
    with connection.cursor() as cursor, cursor.copy(f'COPY "{table}" ({quoted}) FROM STDIN') as copy:
        for block in _blocks(_lines(rows, head)):
            copy.write(block)


def _lines(rows: Sequence[Row], head: str) -> Iterator[str]:
    for row in rows:
        yield f"{head}\t" + "\t".join([_as_copy_text(value) for value in row]) + "\n"


def _blocks(lines: Iterator[str]) -> Iterator[str]:
    while block := "".join(islice(lines, _BLOCK)):
        yield block


def _as_copy_text(value: Value) -> str:
    """COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"."""
    if type(value) is str:
        return value.translate(_ESCAPES) if "\\" in value or not value.isprintable() else value
    if value is None:
        return "\\N"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _execute_many(table: str, columns: Sequence[str], rows: Sequence[Row], shared: Sequence[Value]) -> None:
    quoted = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join(["%s"] * len(columns))
    head = tuple(map(_as_sqlite, shared))
    with connection.cursor() as cursor:
        cursor.executemany(
            f'INSERT INTO "{table}" ({quoted}) VALUES ({marks})',  # noqa: S608 - names from our models
            [(*head, row[0].replace("-", ""), *map(_as_sqlite, row[1:])) for row in rows],
        )


def _as_sqlite(value: Value) -> Any:
    """SQLite keeps ids as 32 hexadecimal digits and instants as text without a zone."""
    if isinstance(value, UUID):
        return value.hex
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
