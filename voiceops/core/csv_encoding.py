"""Encodes tables as CSV, harmless in a spreadsheet."""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from voiceops.core.formulas import escape_formula
from voiceops.core.json_text import dump_json

Row = list[Any]
CHUNK_ROWS = 900
# Without it, Excel reads a file in the code page of its country.
BYTE_ORDER_MARK = codecs.BOM_UTF8


def encode_csv(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the rows as CSV in UTF-8, some hundred rows at a time."""
    lines: list[str] = []
    write_row = csv.writer(_LineCollector(lines.append)).writerow
    for row in rows:
        write_row([format_cell(cell) for cell in row])
        if len(lines) >= CHUNK_ROWS:
            yield "".join(lines).encode()
            lines.clear()
    yield "".join(lines).encode()


def encode_csv_for_spreadsheets(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the same, marked as UTF-8."""
    yield BYTE_ORDER_MARK
    yield from encode_csv(rows)


def csv_text(*rows: Row) -> str:
    """Return a few rows as the text of a CSV."""
    return b"".join(encode_csv(rows)).decode()


def format_cell(cell: Any) -> str:
    """Return a cell as text for a reader, with formulas escaped."""
    # Most cells are texts, and there may be a dozen million: the exact type is the fastest test.
    if type(cell) is str:
        return escape_formula(cell)
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return format_timestamp(cell)
    if isinstance(cell, dict | list):
        return escape_formula(dump_json(cell))
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def format_timestamp(instant: datetime) -> str:
    """Return an instant in ISO 8601, in UTC with `Z` and milliseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _LineCollector:
    """The file that csv.writer writes to: passes every line on."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
