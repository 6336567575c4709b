"""Read a file of numbers to suppress: as every uploaded list, and also without a header."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from django.conf import settings

from batches.importing.phones import PhoneParser
from batches.importing.row_validation import Accepted, Rejected, validate_rows
from batches.importing.table import Table, open_table
from batches.services.suppressions import NewSuppression
from voiceops.core.errors import Invalid
from voiceops.core.instants import parse_instant

MAX_REASON_CHARACTERS = 255
INVALID_EXPIRY = "invalid_expiry"
# A first line that is a number already, so that the file has no header.
NUMBER_FIRST = re.compile(
    rb"(?:\xef\xbb\xbf)?\"?[+(]?\d[\d\s().-]{6,}\"?\s*(?P<delimiter>[,;\t]|\r?\n|\Z)"
)
SNIFFED_BYTES = 200
DELIMITERS = (b",", b";", b"\t")
SUPPRESSION_HEADER = b"phone_number%breason\n"
UTF8_MARK = b"\xef\xbb\xbf"


class RowDefaults(NamedTuple):
    """What applies to rows that have none of their own."""

    default_country: str | None = None
    reason: str = ""
    expires_at: datetime | None = None


class FileRow(NamedTuple):
    """One row of a file: what it suppresses (several numbers in a cell too), or its rejection."""

    row_number: int
    suppressions: tuple[NewSuppression, ...]
    rejection: dict[str, Any] | None = None


class SuppressionFile(NamedTuple):
    """An opened file. `rows` can be read once."""

    expected_rows: int | None
    rows: Iterator[FileRow]


@contextmanager
def open_suppression_file(
    path: Path, defaults: RowDefaults, *, now: datetime
) -> Iterator[SuppressionFile]:
    """Open a file of numbers.

    Raises Invalid for a file that is too large or cannot be read, here or while rows are read.
    """
    if path.stat().st_size > settings.MAX_UPLOAD_BYTES:
        raise Invalid("File too large")
    with _open_with_header(path, defaults.default_country) as (table, added_rows):
        yield SuppressionFile(
            table.expected_rows, _read_rows(table, defaults, now=now, added_rows=added_rows)
        )


def _read_rows(
    table: Table, defaults: RowDefaults, *, now: datetime, added_rows: int
) -> Iterator[FileRow]:
    for verdict in validate_rows(table, PhoneParser(defaults.default_country)):
        values = dict(zip(table.columns.names, verdict.cells, strict=False))
        row_number = verdict.row_number - added_rows
        if isinstance(verdict, Rejected):
            code, message = verdict.code, verdict.message
        else:
            try:
                yield FileRow(row_number, _suppressions(verdict, values, defaults, now))
                continue
            except InvalidExpiryError as error:
                code, message = INVALID_EXPIRY, str(error)
        row = {"row_number": row_number, "error_code": code, "error_message": message}
        yield FileRow(row_number, (), {**row, "values": values})


class InvalidExpiryError(Exception):
    """A row's expiry cannot be used; the message is the row's `error_message`."""


def _suppressions(
    verdict: Accepted, values: Mapping[str, Any], defaults: RowDefaults, now: datetime
) -> tuple[NewSuppression, ...]:
    """Return what a row suppresses: every number it holds. Raises InvalidExpiryError."""
    expires_at = defaults.expires_at
    cells = {name.strip().lower(): str(cell or "").strip() for name, cell in values.items()}
    if cells.get("expires_at"):
        try:
            expires_at = parse_instant(cells["expires_at"])
        except ValueError as error:
            raise InvalidExpiryError("The expiry is not a date such as 2027-01-31") from error
    if expires_at is not None and expires_at <= now:
        raise InvalidExpiryError("The expiry lies in the past")
    reason = (cells.get("reason") or defaults.reason)[:MAX_REASON_CHARACTERS]
    numbers = (verdict.phone_number, *verdict.others)
    return tuple(NewSuppression(number, reason, expires_at) for number in numbers)


@contextmanager
def _open_with_header(path: Path, default_country: str | None) -> Iterator[tuple[Table, int]]:
    """Open the file as a table; yields with it how many rows were added: 1 for a missing header."""
    reading: dict[str, Any] = {
        "max_rows": settings.MAX_UPLOAD_ROWS,
        "default_country": default_country,
        # Whoever hides a row of numbers never to be called still wants none of them called.
        "hidden_rows": "call",
    }
    with path.open("rb") as file:
        number_first = NUMBER_FIRST.match(file.read(SNIFFED_BYTES))
        if number_first is None:
            with open_table(path, **reading) as table:
                yield table, 0
            return

        file.seek(0)
        delimiter = number_first["delimiter"]
        with NamedTemporaryFile(suffix=".csv") as copy:
            copy.write(SUPPRESSION_HEADER % (delimiter if delimiter in DELIMITERS else b","))
            copy.write(file.read().removeprefix(UTF8_MARK))
            copy.flush()
            with open_table(Path(copy.name), **reading) as table:
                yield table, 1
