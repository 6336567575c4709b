"""A list of numbers to be suppressed, as a file: read like every uploaded list, and also without a
header.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings
from rest_framework.exceptions import ValidationError

from batches.importing.columns import Columns
from batches.importing.phones import PhoneParser
from batches.importing.row_validation import Accepted, Rejected, validate_rows
from batches.importing.table import open_table
from batches.services.suppressions import NewSuppression
from voiceops.api.fields import DateTime
from voiceops.core.errors import Invalid

MOST_ROWS = 200_000  # read while the client waits
MOST_REFUSALS = 1_000  # told one by one; the rest is counted
INVALID_EXPIRY = "invalid_expiry"
NUMBER_FIRST = re.compile(
    rb"(?:\xef\xbb\xbf)?\"?[+(]?\d[\d\s().-]{6,}\"?\s*(?P<delimiter>[,;\t]|\r?\n|\Z)"
)
HEADER = b"phone_number%breason\n"


@dataclass(slots=True)
class Read:
    rows: list[NewSuppression] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    refused_count: int = 0

    def refuse(self, row_number: int, code: str, message: str, values: Mapping[str, Any]) -> None:
        self.refused_count += 1
        if len(self.refused) < MOST_REFUSALS:
            told = {"row_number": row_number, "error_code": code, "error_message": message}
            self.refused.append({**told, "values": values})


def read_list(
    path: Path,
    *,
    default_country: str | None,
    reason: str,
    expires_at: datetime | None,
    now: datetime,
) -> Read:
    """Every row, judged. `reason` and `expires_at` are for rows that name none of their own.

    Raises Invalid for a file that is too large or cannot be read.
    """
    if path.stat().st_size > settings.MAX_UPLOAD_BYTES:
        raise Invalid("File too large")
    read = Read()
    with _with_header(path) as (whole, shift), open_table(whole, max_rows=MOST_ROWS) as table:
        for verdict in validate_rows(table, PhoneParser(default_country)):
            values = _named(table.columns, verdict.cells)
            row_number = verdict.row_number - shift
            if isinstance(verdict, Rejected):
                read.refuse(row_number, verdict.code, verdict.message, values)
            else:
                _accept(read, verdict, row_number, values, reason, expires_at, now)
    return read


def _accept(
    read: Read,
    verdict: Accepted,
    row_number: int,
    values: Mapping[str, Any],
    reason: str,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    own = {name.strip().lower(): str(cell or "").strip() for name, cell in values.items()}
    try:
        ends = (
            DateTime().to_internal_value(own["expires_at"]) if own.get("expires_at") else expires_at
        )
    except ValidationError:
        read.refuse(row_number, INVALID_EXPIRY, "The expiry is no date such as 2027-01-31", values)
        return
    if ends is not None and ends <= now:
        read.refuse(row_number, INVALID_EXPIRY, "The expiry lies in the past", values)
        return
    read.rows.append(
        NewSuppression(verdict.phone_number, (own.get("reason") or reason)[:255], ends)
    )


def _named(columns: Columns, cells: list[Any]) -> dict[str, Any]:
    return dict(zip(columns.names, cells, strict=False))


@contextmanager
def _with_header(path: Path) -> Iterator[tuple[Path, int]]:
    """The file, or where its first row is a number already a copy with a header, and by how many
    rows that shifts.
    """
    with path.open("rb") as file:
        bare = NUMBER_FIRST.match(file.read(200))
        if bare is None:
            yield path, 0
            return
        file.seek(0)
        delimiter = bare["delimiter"]
        with NamedTemporaryFile(suffix=".csv") as copy:
            copy.write(HEADER % (delimiter if delimiter in (b",", b";", b"\t") else b","))
            copy.write(file.read().removeprefix(b"\xef\xbb\xbf"))
            copy.flush()
            yield Path(copy.name), 1
