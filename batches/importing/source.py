"""What every reader of an uploaded list agrees on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from voiceops.core.errors import Invalid

MAX_COLUMNS = 64
MAX_CELL_CHARACTERS = 1024  # characters
TOO_MANY_COLUMNS = "too_many_columns"
UNREADABLE_ROW = "unreadable_row"


class UnreadableUpload(Invalid):
    """The list as a whole cannot be used. The message is one sentence: what is wrong, where, how to
    mend it.
    """


class Problem(NamedTuple):
    """Why a row cannot be used whatever its number says."""

    code: str
    message: str


Line = tuple[int, list[Any], Problem | None]
"""One row of a list: the number a spreadsheet shows beside it (the header is row 1), its cells, what is wrong with it.

Cells are text, except in lists sent as JSON, whose variables keep their types. A plain tuple, because there are
millions.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """An opened list: lines from the top, header included, read once."""

    lines: Iterator[Line]
    expected_lines: int | None
    """How many lines there will be at most; None when nobody can tell beforehand."""
    notes: tuple[str, ...] = ()
    """What a person should know about how the file was read."""
    keeps_blank_rows: bool = False
    """Whether a row without anything in it is a row. Not in spreadsheets, where it is a gap."""
    filled_columns: Callable[[list[Any]], int] = len
    """How many columns there are up to the last that holds anything, for a list with this header."""


def upload_path(name: str) -> Path:
    """Return the file of `Batch.upload`."""
    path: Path = settings.DATA_DIR / "uploads" / name
    return path


def check_cell_length(cells: list[Any]) -> Problem | None:
    """The limit of one cell (reliability.md E3)."""
    for position, cell in enumerate(cells, start=1):
        if isinstance(cell, str) and len(cell) > MAX_CELL_CHARACTERS:
            return Problem(
                UNREADABLE_ROW,
                f"The cell in column {position} is longer than {MAX_CELL_CHARACTERS:,} characters",
            )
    return None


def truncate_cells(cells: list[Any]) -> list[Any]:
    """Cells as they may be kept beside a refusal: no more and no longer than a good row's."""
    return [
        cell[: MAX_CELL_CHARACTERS - 1] + "…"
        if isinstance(cell, str) and len(cell) > MAX_CELL_CHARACTERS
        else cell
        for cell in cells[:MAX_COLUMNS]
    ]
