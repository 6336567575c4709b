"""Validates every row of a list: a number that may be called, or a rejection with its reason.

Nothing is stored here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from batches.domain.spreadsheets import REJECTION_COLUMNS
from batches.importing.phones import (
    MISSING_NUMBER,
    ParsedNumber,
    PhoneParser,
    RefusedNumber,
)
from batches.importing.source import (
    TOO_MANY_COLUMNS,
    Line,
    Problem,
    UnreadableUpload,
    truncate_cells,
)
from batches.importing.table import Table, has_content

MAX_ROW_NUMBER_DIGITS = 9
MAX_OTHER_NUMBERS = 9


class Accepted(NamedTuple):
    """A row with a number that may be dialled.

    `corrects` is the rejected row that this one replaces, None outside of corrections. `others` are
    further numbers of the same person, in the order in which they are tried.
    """

    row_number: int
    phone_number: str
    cells: list[Any]
    corrects: int | None
    others: tuple[str, ...] = ()


class Rejected(NamedTuple):
    """A row that cannot be used. `corrects` as in `Accepted`."""

    row_number: int
    code: str
    message: str
    cells: list[Any]
    corrects: int | None


Verdict = Accepted | Rejected


@dataclass(slots=True)
class RepairCounter:
    """How many numbers were repaired, or found where a list should not have them.

    `repaired`: damaged by a spreadsheet, or of an old numbering plan. `several`: rows with more
    than one number in a cell. `elsewhere`: rows called at the number of another column.
    """

    repaired: int = 0
    several: int = 0
    elsewhere: int = 0

    def remarks(self) -> list[str]:
        """Return what the uploader should know about it."""
        found = []
        if self.several:
            hold = "row holds" if self.several == 1 else "rows hold"
            found.append(
                f"{self.several:,} {hold} more than one number in a cell: the first good one is "
                "called, the others when it does not exist"
            )
        if self.elsewhere:
            have = "row has" if self.elsewhere == 1 else "rows have"
            found.append(
                f"{self.elsewhere:,} {have} no good number in the phone column and one in another: "
                "that one is called"
            )
        return found


def validate_rows(
    table: Table, parser: PhoneParser, repairs: RepairCounter | None = None
) -> Iterator[Verdict]:
    """Yield one verdict for each row with content, in the order of the list.

    Raises UnreadableUpload when the list turns out to be unreadable further down, or too long.
    """
    width = len(table.columns.names)
    phone_index = table.columns.phone_index
    is_correction = table.columns.is_correction
    has_alternatives = bool(table.columns.alternatives)
    parse_plain = parser.parse_plain
    max_rows = table.max_rows
    row_count = 0
    for line in table.lines:
        row_number, cells, problem = line
        verdict: Verdict | None = None
        # Nine of ten rows take this path: it decides how fast a list is read.
        if problem is None and not is_correction and len(cells) == width:
            cell = cells[phone_index]
            if type(cell) is str and (e164 := parse_plain(cell)):
                others = _find_others(e164, (), cells, table, parser) if has_alternatives else ()
                verdict = Accepted(row_number, e164, cells, None, others)
        if verdict is None:
            if not table.keeps_blank_rows and not has_content(line):
                continue
            verdict = _validate_irregular_row(line, table, parser, repairs)

        row_count += 1
        if row_count > max_rows:
            raise UnreadableUpload(
                f"The file has more than {max_rows:,} rows: split it into several lists."
            )
        yield verdict


def _validate_irregular_row(
    line: Line, table: Table, parser: PhoneParser, repairs: RepairCounter | None
) -> Verdict:
    """Return the verdict on a row that the fast path has left."""
    row_number, cells, problem = line
    width = len(table.columns.names)
    corrects = None
    if table.columns.is_correction:
        cells, corrects = _parse_correction(cells, width)
    # A row of the wrong width keeps an earlier problem, which says more.
    if len(cells) != width:
        cells, problem = _fit_to_header(cells, width, problem)
    if problem is not None:
        kept = truncate_cells(cells)
        return Rejected(row_number, problem.code, problem.message, kept, corrects)

    number = parser.parse(phone_text(cells[table.columns.phone_index]))
    if isinstance(number, RefusedNumber) and table.columns.alternatives:
        number = _parse_alternatives(number, cells, table, parser)
        if repairs is not None and isinstance(number, ParsedNumber):
            repairs.elsewhere += 1
    if isinstance(number, RefusedNumber):
        return Rejected(row_number, number.code, number.message, cells, corrects)
    if repairs is not None:
        repairs.repaired += number.repaired
        repairs.several += bool(number.others)
    others = _find_others(number.e164, number.others, cells, table, parser)
    return Accepted(row_number, number.e164, cells, corrects, others)


def _find_others(
    first: str, same_cell: tuple[str, ...], cells: list[Any], table: Table, parser: PhoneParser
) -> tuple[str, ...]:
    """Return the row's good numbers after the first, each once, in the order of the columns."""
    numbers = [*same_cell]
    for index in table.columns.alternatives:
        cell = cells[index]
        if not cell:  # as most of them are
            continue
        text = phone_text(cell)
        if e164 := parser.parse_plain(text):
            numbers.append(e164)
            continue
        number = parser.parse(text)
        # A bad number among several costs only itself.
        if isinstance(number, ParsedNumber):
            numbers += [number.e164, *number.others]
    if not numbers:
        return ()
    unique = dict.fromkeys(number for number in numbers if number != first)
    return tuple(unique)[:MAX_OTHER_NUMBERS]


def _parse_alternatives(
    refusal: RefusedNumber, cells: list[Any], table: Table, parser: PhoneParser
) -> ParsedNumber | RefusedNumber:
    """Return the first good number of the row's other phone columns, else why there is none."""
    for index in table.columns.alternatives:
        number = parser.parse(phone_text(cells[index]))
        if isinstance(number, ParsedNumber):
            return number
        # A wrong number says more than an empty cell.
        if refusal.code == MISSING_NUMBER:
            refusal = number
    return refusal


def phone_text(cell: Any) -> str:
    """Return a phone cell as text; in JSON it may be a number or null."""
    if cell is None:
        return ""
    # Clients may write whole numbers with a fraction: 12025550186.0 stands for its digits.
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell if isinstance(cell, str) else str(cell)


def _fit_to_header(
    cells: list[Any], width: int, problem: Problem | None
) -> tuple[list[Any], Problem | None]:
    """Return the cells at the header's width, and the problem where they do not fit.

    Short rows are filled, because spreadsheets leave out empty cells at the end. Long ones must be
    empty beyond the header.
    """
    if len(cells) < width:
        return cells + [""] * (width - len(cells)), problem
    if problem is not None:
        return cells, problem
    if any(cell is not None and str(cell).strip() for cell in cells[width:]):
        message = (
            f"The row has {len(cells)} cells, the header {width}: "
            "a separator may stand inside a value"
        )
        return cells, Problem(TOO_MANY_COLUMNS, message)
    return cells[:width], None


def _parse_correction(cells: list[Any], width: int) -> tuple[list[Any], int | None]:
    """Split a row of rejected.csv: the uploaded cells, and the row it corrects."""
    rejection = cells[width : width + 1]
    digits = str(rejection[0]).strip() if rejection else ""
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= MAX_ROW_NUMBER_DIGITS
    overflow = cells[width + len(REJECTION_COLUMNS) :]
    return cells[:width] + overflow, int(digits) if is_number else None
