"""The verdict on every row of a list: somebody to call, or a refusal with its reason. Pure, nothing
is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from batches.importing.phones import PhoneParser, RefusedNumber
from batches.importing.source import (
    TOO_MANY_COLUMNS,
    Line,
    Problem,
    UnreadableUpload,
    truncate_cells,
)
from batches.importing.table import Table, has_content


class Accepted(NamedTuple):
    """A row with a number that may be dialled. `mends`: the row of an earlier list it stands for,
    else None.
    """

    row_number: int
    phone_number: str
    cells: list[Any]
    corrects: int | None


class Rejected(NamedTuple):
    row_number: int
    code: str
    message: str
    cells: list[Any]
    corrects: int | None


@dataclass(slots=True)
class RepairCounter:
    """What a preview tells about repairs."""

    repaired: int = 0


def validate_rows(
    table: Table, parser: PhoneParser, tally: RepairCounter | None = None
) -> Iterator[Accepted | Rejected]:
    """One verdict for each row that holds anything, in the order of the list.

    Raises UnreadableUpload where the list turns out to be unreadable further down, or too long.
    """
    width, phone, mends, plain = (
        len(table.columns.names),
        table.columns.phone_index,
        table.columns.is_correction,
        parser.parse_plain,
    )
    rows, allowed = 0, table.max_rows
    for line in table.lines:
        number, cells, problem = line
        if (
            problem is None
            and not mends
            and len(cells) == width
            and type(cell := cells[phone]) is str
        ):
            e164 = plain(cell)
            verdict: Accepted | Rejected | None = (
                Accepted(number, e164, cells, None) if e164 else None
            )
        else:
            verdict = None
        if verdict is None:
            if not table.keeps_blank_rows and not has_content(line):
                continue
            verdict = _validate_irregular_row(line, table, parser, tally)
        rows += 1
        if rows > allowed:
            raise UnreadableUpload(
                f"The file has more than {allowed:,} rows: split it into several lists."
            )
        yield verdict


def _validate_irregular_row(
    line: Line, table: Table, parser: PhoneParser, tally: RepairCounter | None
) -> Accepted | Rejected:
    """The verdict on a row that is not plainly good."""
    number, cells, problem = line
    width, mends = len(table.columns.names), None
    if table.columns.is_correction:
        cells, mends = _parse_correction(cells, width)
    if len(cells) != width:
        cells, problem = _fit_to_header(cells, width, problem)
    if problem is not None:
        return Rejected(number, problem.code, problem.message, truncate_cells(cells), mends)
    verdict = parser.parse(phone_text(cells[table.columns.phone_index]))
    if isinstance(verdict, RefusedNumber):
        return Rejected(number, verdict.code, verdict.message, cells, mends)
    if tally is not None:
        tally.repaired += verdict.repaired
    return Accepted(number, verdict.e164, cells, mends)


def phone_text(cell: Any) -> str:
    """A phone cell of JSON, where numbers may be numbers."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell if isinstance(cell, str) else str(cell)


def _fit_to_header(
    cells: list[Any], width: int, problem: Problem | None
) -> tuple[list[Any], Problem | None]:
    """Short rows are filled up: spreadsheets leave out empty cells at the end. Long ones must be
    empty at the end.
    """
    if len(cells) < width:
        return cells + [""] * (width - len(cells)), problem
    if any(cell is not None and str(cell).strip() for cell in cells[width:]) and problem is None:
        words = f"The row has {len(cells)} cells, the header {width}: a separator may stand inside a value"
        return cells, Problem(TOO_MANY_COLUMNS, words)
    return cells[:width] if problem is None else cells, problem


def _parse_correction(cells: list[Any], width: int) -> tuple[list[Any], int | None]:
    """A row of rejected.csv: the uploaded cells as they were before the export guarded them, and
    the row it mends.
    """
    marks = cells[width : width + 1]
    digits = str(marks[0]).strip() if marks else ""
    own = [_unescape_formula(cell) for cell in cells[:width]]
    overflow = cells[width + 3 :]
    return own + overflow, int(digits) if digits.isascii() and digits.isdigit() and len(
        digits
    ) < 10 else None


def _unescape_formula(cell: Any) -> Any:
    """Exports put an apostrophe before what a spreadsheet would run as a formula (reliability.md
    E6).
    """
    guarded = (
        isinstance(cell, str)
        and cell[:1] == "'"
        and cell[1:2] in ("=", "+", "-", "@", "\t", "\r", "\0")
    )
    return cell[1:] if guarded else cell
