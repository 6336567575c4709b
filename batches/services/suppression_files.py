"""Read a file of numbers to suppress: as every uploaded list, and also without a header."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings

from batches.importing.phones import PhoneParser
from batches.importing.row_validation import Accepted, Rejected, validate_rows
from batches.importing.table import Table, open_table
from batches.services.suppressions import NewSuppression
from voiceops.core.errors import Invalid
from voiceops.core.instants import parse_instant

MAX_SUPPRESSION_ROWS = 200_000  # read while the client waits
MAX_REPORTED_REJECTIONS = 1_000  # further ones are only counted
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


@dataclass(slots=True)
class SuppressionFile:
    """The rows of a file: those to suppress, and those that were rejected."""

    rows: list[NewSuppression] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    rejected_count: int = 0

    def reject(self, row_number: int, code: str, message: str, values: Mapping[str, Any]) -> None:
        """Count a rejected row, and list it while there are not too many."""
        self.rejected_count += 1
        if len(self.rejected) < MAX_REPORTED_REJECTIONS:
            row = {"row_number": row_number, "error_code": code, "error_message": message}
            self.rejected.append({**row, "values": values})


def read_suppression_file(
    path: Path,
    *,
    default_country: str | None,
    reason: str,
    expires_at: datetime | None,
    now: datetime,
) -> SuppressionFile:
    """Read and validate every row. `reason` and `expires_at` are for rows without their own.

    Raises Invalid for a file that is too large or cannot be read.
    """
    if path.stat().st_size > settings.MAX_UPLOAD_BYTES:
        raise Invalid("File too large")
    file = SuppressionFile()
    with _open_with_header(path) as (table, added_rows):
        for verdict in validate_rows(table, PhoneParser(default_country)):
            values = dict(zip(table.columns.names, verdict.cells, strict=False))
            row_number = verdict.row_number - added_rows
            if isinstance(verdict, Rejected):
                file.reject(row_number, verdict.code, verdict.message, values)
                continue
            try:
                file.rows.append(_suppression(verdict, values, reason, expires_at, now))
            except InvalidExpiryError as error:
                file.reject(row_number, INVALID_EXPIRY, str(error), values)
    return file


class InvalidExpiryError(Exception):
    """A row's expiry cannot be used; the message is the row's `error_message`."""


def _suppression(
    verdict: Accepted,
    values: Mapping[str, Any],
    reason: str,
    expires_at: datetime | None,
    now: datetime,
) -> NewSuppression:
    """Return what a row suppresses. Raises InvalidExpiryError."""
    cells = {name.strip().lower(): str(cell or "").strip() for name, cell in values.items()}
    if cells.get("expires_at"):
        try:
            expires_at = parse_instant(cells["expires_at"])
        except ValueError as error:
            raise InvalidExpiryError("The expiry is not a date such as 2027-01-31") from error
    if expires_at is not None and expires_at <= now:
        raise InvalidExpiryError("The expiry lies in the past")
    own_reason = cells.get("reason") or reason
    return NewSuppression(verdict.phone_number, own_reason[:MAX_REASON_CHARACTERS], expires_at)


@contextmanager
def _open_with_header(path: Path) -> Iterator[tuple[Table, int]]:
    """Open the file as a table; yields with it how many rows were added: 1 for a missing header."""
    with path.open("rb") as file:
        number_first = NUMBER_FIRST.match(file.read(SNIFFED_BYTES))
        if number_first is None:
            with open_table(path, max_rows=MAX_SUPPRESSION_ROWS, hidden_rows="call") as table:
                yield table, 0
            return

        file.seek(0)
        delimiter = number_first["delimiter"]
        with NamedTemporaryFile(suffix=".csv") as copy:
            copy.write(SUPPRESSION_HEADER % (delimiter if delimiter in DELIMITERS else b","))
            copy.write(file.read().removeprefix(UTF8_MARK))
            copy.flush()
            with open_table(Path(copy.name), max_rows=MAX_SUPPRESSION_ROWS) as table:
                yield table, 1
