"""Lists written as text: one record a row, a comma, semicolon, tab or bar between the cells."""

import csv
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count, islice, repeat
from pathlib import Path
from typing import IO

from batches.importing.cells import BlockCheck, clean_cells
from batches.importing.phone_columns import find_header
from batches.importing.source import (
    MAX_CELL_CHARACTERS,
    UNREADABLE_ROW,
    Line,
    Problem,
    Source,
    UnreadableUpload,
    check_cell_length,
)
from batches.importing.text_encoding import TextFormat, detect_text_format

TEXT_DELIMITERS = (",", ";", "\t", "|")
SAMPLE_LINES = 30
BLOCK_LINES = 1000
# A record that spans more lines has a quotation mark that is never closed.
MAX_RECORD_LINES = MAX_CELL_CHARACTERS + 2
REPLACEMENT = "\ufffd"
# Excel's own hint, which it never shows as a row.
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?\Z", re.IGNORECASE)
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_UNCLOSED = Problem(UNREADABLE_ROW, "A quotation mark in this row is never closed")
_DAMAGED = Problem(
    UNREADABLE_ROW,
    "This row holds damaged characters: it is not in the encoding of the rest of the file",
)


class _RunawayError(Exception):
    """A record that does not end."""


class _RereadableLines:
    """Physical lines for the csv reader, kept until their record is accepted.

    When they turn out not to be a record, they are read again one by one.
    """

    def __init__(self, lines: Iterator[str], first: Iterable[str]) -> None:
        self._lines = lines
        self._unread = deque(first)
        self.pending: list[str] = []

    def __iter__(self) -> Iterator[str]:
        pending, unread = self.pending, self._unread
        while line := unread.popleft() if unread else next(self._lines, ""):
            pending.append(line)
            if len(pending) > MAX_RECORD_LINES:
                raise _RunawayError
            yield line

    def is_exhausted(self) -> bool:
        """Whether all the lines given first have become records."""
        return not self._unread and not self.pending

    def reject_record(self) -> str:
        """Return the first pending line; the others will be read again."""
        first, *rest = self.pending
        self._unread.extendleft(reversed(rest))
        self.pending.clear()
        return first


@contextmanager
def open_delimited(path: Path, *, max_rows: int) -> Iterator[Source]:
    """Open a text file as a Source.

    Raises UnreadableUpload when it is not text or has more than `max_rows` rows.
    """
    form = detect_text_format(path)
    delimiter, lines_before = _detect_delimiter(path, form)
    # Fewer lines than this cannot hold too many rows: counting them takes a second pass.
    if form.line_count > max_rows + 2:
        _require_row_limit(path, form, delimiter, max_rows)
    with _open(path, form) as file:
        for _ in range(lines_before):
            file.readline()
        yield Source(
            _read_lines(file, delimiter, damaged=form.damaged),
            expected_lines=form.line_count,
            filled_columns=lambda header: _count_filled_columns(path, form, delimiter, header),
            remarks=(form.remark,) if form.remark else (),
        )


def _open(path: Path, form: TextFormat) -> IO[str]:
    return path.open(encoding=form.encoding, errors=form.errors, newline="")


def _detect_delimiter(path: Path, form: TextFormat) -> tuple[str, int]:
    """Return the delimiter, and how many lines come before the list."""
    with _open(path, form) as file:
        sample = list(islice(file, SAMPLE_LINES))
    # A hint in the file beats every guess.
    if sample and (hint := _SEPARATOR_LINE.match(sample[0])):
        return hint.group(1), 1
    return max(TEXT_DELIMITERS, key=lambda delimiter: _delimiter_score(sample, delimiter)), 0


def _delimiter_score(sample: list[str], delimiter: str) -> tuple[bool, float, int]:
    """Rate a delimiter: more than one column, rows as wide as the header, and a wide header."""
    try:
        rows = [cells for cells in csv.reader(sample, delimiter=delimiter) if cells]
    except csv.Error:
        return False, 0.0, 0
    widths = [len(cells) for cells in rows[find_header(rows) :]]
    if not widths:
        return False, 0.0, 0
    return widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]


def _require_row_limit(path: Path, form: TextFormat, delimiter: str, max_rows: int) -> None:
    with _open(path, form) as file:
        lines = _read_lines(file, delimiter, damaged=False)
        rows = sum(any(cells) for _, cells, _ in lines) - 1
    if rows > max_rows:
        raise UnreadableUpload(
            f"The file has {rows:,} rows, more than the {max_rows:,} allowed: "
            "split it into several lists."
        )


def _count_filled_columns(path: Path, form: TextFormat, delimiter: str, header: list[str]) -> int:
    """As `Source.filled_columns`: reads the file once more if the header ends in blank cells.

    Rows longer than the header do not count, because a separator inside a value has moved their
    cells.
    """
    width = len(header)
    if header[-1].strip():
        return width

    filled = 0
    with _open(path, form) as file:
        for _, cells, _ in _read_lines(file, delimiter, damaged=form.damaged):
            if len(cells) <= width:
                positions = (at for at, cell in enumerate(cells, start=1) if cell.strip())
                filled = max(filled, max(positions, default=0))
            if filled == width:
                break
    return filled


def _read_lines(file: Iterable[str], delimiter: str, *, damaged: bool) -> Iterator[Line]:
    """Yield the file's records, a block at a time where every line is one.

    Blocks with line breaks in quotes or stray quotation marks are read record by record.
    """
    lines = iter(file)
    check = BlockCheck(delimiter)
    row_number = 0
    while block := list(islice(lines, BLOCK_LINES)):
        # Damaged files need the raw lines of each record, to find the damage in them.
        records = None if damaged else _parse_block(block, delimiter)
        if records is None:
            rereadable = _RereadableLines(lines, block)
            row_number = yield from _read_single_records(
                rereadable, delimiter, row_number, damaged=damaged
            )
            continue

        if check.may_need_cleaning(block):
            records = [clean_cells(cells) for cells in records]
        # Short lines cannot have long cells, which spares the check for nearly all blocks.
        if max(map(len, block)) > MAX_CELL_CHARACTERS:
            for at, cells in enumerate(records, start=row_number + 1):
                yield at, cells, check_cell_length(cells)
        else:
            yield from zip(count(row_number + 1), records, repeat(None))
        row_number += len(block)


def _parse_block(lines: list[str], delimiter: str) -> list[list[str]] | None:
    """Return one record for each line; None when lines and records differ."""
    try:
        records = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return None
    # A last cell with a line break in it ended inside quotes: its record goes on in the next block.
    is_open = bool(records[-1]) and records[-1][-1].endswith(("\n", "\r"))
    return None if is_open or len(records) != len(lines) else records


def _read_single_records(
    lines: _RereadableLines, delimiter: str, row_number: int, *, damaged: bool
) -> Generator[Line, None, int]:
    """Yield records until the lines given first are exhausted. Returns the last row number."""
    pending = lines.pending
    while not lines.is_exhausted():
        try:
            for cells in csv.reader(lines, delimiter=delimiter):
                row_number += 1
                if len(pending) > 1 and not _is_one_record(pending, delimiter):
                    break
                cells = clean_cells(cells)
                problem = check_cell_length(cells)
                if damaged and _NOT_STORABLE.search("".join(pending)):
                    problem = _DAMAGED
                    cells = _replace_damaged(cells)
                pending.clear()
                yield row_number, cells, problem
                if lines.is_exhausted():
                    return row_number
            else:
                return row_number
        except (csv.Error, _RunawayError):
            row_number += 1

        # An unclosed quotation mark costs only the line it stands in.
        line = lines.reject_record()
        yield row_number, _replace_damaged(line.rstrip("\r\n").split(delimiter)), _UNCLOSED
    return row_number


def _replace_damaged(cells: list[str]) -> list[str]:
    return [_NOT_STORABLE.sub(REPLACEMENT, cell) for cell in cells]


def _is_one_record(lines: list[str], delimiter: str) -> bool:
    """Whether lines are one record with quoted line breaks, not a stray quotation mark."""
    try:
        return len(list(csv.reader(lines, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False
