"""What all readers of an uploaded list share: where it lies, and what they yield."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from voiceops.core.errors import Invalid

MAX_COLUMNS: int = settings.MAX_UPLOAD_COLUMNS
MAX_CELL_CHARACTERS: int = settings.MAX_UPLOAD_CELL_CHARACTERS
TOO_MANY_COLUMNS = "too_many_columns"
UNREADABLE_ROW = "unreadable_row"


class UnreadableUpload(Invalid):
    """The list as a whole cannot be used.

    The message is one sentence for the user: what is wrong, where, and how to correct it.
    """

    code = "list_unreadable"


class Problem(NamedTuple):
    """Why a row cannot be used, whatever its number."""

    code: str
    message: str


Line = tuple[int, list[Any], Problem | None]
"""One row: the number a spreadsheet shows beside it (the header is row 1), its cells, its problem.

Cells are text, except in lists sent as JSON, whose variables keep their types. A plain tuple,
because there may be millions.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """An opened list: its lines from the top, header included, which can be read once."""

    lines: Iterator[Line]
    expected_lines: int | None
    """The highest number of lines there can be; None when it is unknown before reading."""
    remarks: tuple[str, ...] = ()
    """What the user should know about how the file was read."""
    keeps_blank_rows: bool = False
    """Whether a blank row counts as a row. In spreadsheets it is a gap."""
    filled_columns: Callable[[list[Any]], int] = len
    """Counts the columns up to the last one with content, for a list with this header."""
    hidden_columns: frozenset[int] = frozenset()
    """Positions of the columns that a workbook does not show."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Columns that are more than a variable by the form of the list."""


def upload_path(name: str) -> Path:
    """Return the file of `Batch.upload`."""
    path: Path = settings.DATA_DIR / "uploads" / name
    return path


def require_column_limit(count: int, listed: str = "The file") -> None:
    """Raises UnreadableUpload for more columns than a list may have."""
    if count > MAX_COLUMNS:
        raise UnreadableUpload(
            f"{listed} has {count} columns, more than the {MAX_COLUMNS} allowed: remove some."
        )


def check_cell_length(cells: list[Any]) -> Problem | None:
    """Return the problem of a row with too long a cell (docs/reference/reliability.md §E3)."""
    # The first long cell is enough for the message.
    for position, cell in enumerate(cells, start=1):
        if (
            isinstance(cell, str)
            and len(cell) > MAX_CELL_CHARACTERS
            # Blanks around a value are no part of it.
            and len(cell.strip()) > MAX_CELL_CHARACTERS
        ):
            return Problem(
                UNREADABLE_ROW,
                f"The cell in column {position} is longer than {MAX_CELL_CHARACTERS:,} characters",
            )
    return None


def truncate_cells(cells: list[Any]) -> list[Any]:
    """Return the cells within the limits of a good row, to be stored with a rejected one."""
    return [
        cell[: MAX_CELL_CHARACTERS - 1] + "…"
        if isinstance(cell, str) and len(cell) > MAX_CELL_CHARACTERS
        else cell
        for cell in cells[:MAX_COLUMNS]
    ]
