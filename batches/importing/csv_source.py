"""Lists written as text: comma, semicolon, tab or bar between the cells, one record a row."""

import csv
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import count, islice, repeat
from pathlib import Path
from typing import IO

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

DELIMITERS = (",", ";", "\t", "|")
MAX_RECORD_LINES = (
    MAX_CELL_CHARACTERS + 2
)  # a record that spans more has a quotation mark nobody closed
_BLOCK = 1000  # lines
_SEPARATOR_LINE = re.compile(
    r"sep=(.)\r?\n?\Z", re.IGNORECASE
)  # Excel's own hint, which it never shows as a row
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")
_UNCLOSED = Problem(UNREADABLE_ROW, "A quotation mark in this row is never closed")
_DAMAGED = Problem(
    UNREADABLE_ROW,
    "This row holds damaged characters: it is not in the encoding of the rest of the file",
)


class _RunawayError(Exception):
    """A record that does not end."""


class _Feed:
    """Physical lines for the csv reader, remembered until their record is judged, to be read again
    when it is none.
    """

    def __init__(self, lines: Iterator[str], first: Iterable[str]) -> None:
        self._lines = lines
        self._again = deque(first)
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        taken, again = self.taken, self._again
        while line := again.popleft() if again else next(self._lines, ""):
            taken.append(line)
            if len(taken) > MAX_RECORD_LINES:
                raise _RunawayError
            yield line

    def is_used_up(self) -> bool:
        """Whether the lines given first have all become records."""
        return not self._again and not self.taken

    def give_back(self) -> str:
        """Put every line but the first back in front; the first is returned."""
        first, *rest = self.taken
        self._again.extendleft(reversed(rest))
        self.taken.clear()
        return first


@contextmanager
def open_delimited(path: Path, *, max_rows: int) -> Iterator[Source]:
    """A text file as a Source. Raises UnreadableUpload when it is no text or holds more than
    `max_rows` rows.
    """
    form = detect_text_format(path)
    delimiter, skipped = _sniff(path, form)
    if form.line_count > max_rows + 2:
        _refuse_too_many_rows(path, form, delimiter, max_rows)
    with _open(path, form) as file:
        for _ in range(skipped):
            file.readline()
        yield Source(
            _read(file, delimiter, damaged=form.damaged),
            expected_lines=form.line_count,
            filled_columns=lambda header: _filled_columns(path, form, delimiter, header),
        )


def _open(path: Path, form: TextFormat) -> IO[str]:
    return path.open(encoding=form.encoding, errors=form.errors, newline="")


def _sniff(path: Path, form: TextFormat) -> tuple[str, int]:
    """The delimiter, and how many lines stand before the list."""
    with _open(path, form) as file:
        sample = list(islice(file, 30))
    if sample and (said := _SEPARATOR_LINE.match(sample[0])):
        return said.group(1), 1
    return max(DELIMITERS, key=lambda delimiter: _fit(sample, delimiter)), 0


def _fit(sample: list[str], delimiter: str) -> tuple[bool, float, int]:
    """How well a delimiter explains the first lines: rows as wide as the header, and wide at all."""
    try:
        widths = [len(cells) for cells in csv.reader(sample, delimiter=delimiter) if cells]
    except csv.Error:
        return False, 0.0, 0
    if not widths:
        return False, 0.0, 0
    return widths[0] > 1, widths.count(widths[0]) / len(widths), widths[0]


def _refuse_too_many_rows(path: Path, form: TextFormat, delimiter: str, max_rows: int) -> None:
    with _open(path, form) as file:
        rows = sum(any(cells) for _, cells, _ in _read(file, delimiter, damaged=False)) - 1
    if rows > max_rows:
        raise UnreadableUpload(
            f"The file has {rows:,} rows, more than the {max_rows:,} allowed: split it into several lists."
        )


def _filled_columns(path: Path, form: TextFormat, delimiter: str, header: list[str]) -> int:
    """As `Source.filled_columns`, by reading the file once more where the header ends in blank
    cells.

    Rows longer than the header do not count: a separator inside a value has put their cells out of
    place.
    """
    filled, width = 0, len(header)
    if header[-1].strip():
        return width
    with _open(path, form) as file:
        for _, cells, _ in _read(file, delimiter, damaged=form.damaged):
            if len(cells) <= width:
                filled = max(
                    filled, 0, *(at for at, cell in enumerate(cells, start=1) if cell.strip())
                )
            if filled == width:
                break
    return filled


def _read(file: Iterable[str], delimiter: str, *, damaged: bool) -> Iterator[Line]:
    """Records a block at a time where every line is one, else (line breaks in quotes, stray quotes)
    one by one.
    """
    lines, number = iter(file), 0
    while block := list(islice(lines, _BLOCK)):
        records = None if damaged else _plain_records(block, delimiter)
        if records is None:
            number = yield from _read_carefully(
                _Feed(lines, block), delimiter, number, damaged=damaged
            )
        elif max(map(len, block)) > MAX_CELL_CHARACTERS:
            yield from (
                (at, cells, check_cell_length(cells))
                for at, cells in enumerate(records, start=number + 1)
            )
            number += len(block)
        else:
            yield from zip(count(number + 1), records, repeat(None))
            number += len(block)


def _plain_records(lines: list[str], delimiter: str) -> list[list[str]] | None:
    """A record for each line; None when that is not what they are."""
    try:
        records = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return None
    is_open = bool(records[-1]) and records[-1][-1].endswith(
        ("\n", "\r")
    )  # ended inside quotes, line break included
    return None if is_open or len(records) != len(lines) else records


def _read_carefully(
    feed: _Feed, delimiter: str, number: int, *, damaged: bool
) -> Generator[Line, None, int]:
    """Records until the feed's first lines are used up; how many rows there have been by then is
    returned.
    """
    taken = feed.taken
    while not feed.is_used_up():
        try:
            for cells in csv.reader(feed, delimiter=delimiter):
                number += 1
                if len(taken) > 1 and not _is_one_record(taken, delimiter):
                    break
                problem = check_cell_length(cells)
                if damaged and _UNKEEPABLE.search("".join(taken)):
                    problem, cells = _DAMAGED, [_UNKEEPABLE.sub("\ufffd", cell) for cell in cells]
                taken.clear()
                yield number, cells, problem
                if feed.is_used_up():
                    return number
            else:
                return number
        except (csv.Error, _RunawayError):
            number += 1
        line = feed.give_back()
        yield (
            number,
            [_UNKEEPABLE.sub("\ufffd", cell) for cell in line.rstrip("\r\n").split(delimiter)],
            _UNCLOSED,
        )
    return number


def _is_one_record(lines: list[str], delimiter: str) -> bool:
    """Whether several physical lines are one record with line breaks in its quotes, or a stray
    quotation mark.
    """
    try:
        return len(list(csv.reader(lines, delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False
