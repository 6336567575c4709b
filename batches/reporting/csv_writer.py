import csv
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from batches.reporting.tables import REPORT_CHUNK_ROWS, Row

FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\0")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def encode_csv(rows: Iterable[Row]) -> Iterator[bytes]:
    """Rows as CSV in UTF-8, some hundred a piece."""
    pieces: list[str] = []
    write = csv.writer(_Collector(pieces.append)).writerow
    for row in rows:
        write([format_cell(cell) for cell in row])
        if len(pieces) >= REPORT_CHUNK_ROWS:
            yield "".join(pieces).encode()
            pieces.clear()
    yield "".join(pieces).encode()


def format_cell(cell: Any) -> str:
    """A cell as a person reads it, harmless in a spreadsheet."""
    if type(cell) is str:  # most are, and there may be a dozen million
        return escape_formula(cell)
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return format_timestamp(cell)
    if isinstance(cell, dict | list):
        return escape_formula(orjson.dumps(cell).decode())
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def escape_formula(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) and not E164.fullmatch(text) else text


def format_timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Collector:
    """What csv.writer writes to: passes every line on."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
