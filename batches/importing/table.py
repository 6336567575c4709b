"""Opens an uploaded list of any kind: what it is, is told by its content, never by its name."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from batches.importing.columns import PHONE, Columns, read_columns
from batches.importing.delimited import open_delimited
from batches.importing.recipients import SUFFIX, open_recipients
from batches.importing.upload import Line, Source, UnreadableUpload
from batches.importing.workbook import open_workbook

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
EMPTY = "The file is empty: it has no rows. Upload a list with a header row and one row for each person."


@dataclass(frozen=True, slots=True)
class Table:
    """A list with its columns understood. `lines` are the rows below the header that hold anything, read once."""

    columns: Columns
    lines: Iterator[Line]
    expected_rows: int | None
    notes: tuple[str, ...]


@contextmanager
def open_table(
    path: Path,
    *,
    max_rows: int,
    mapping: Mapping[str, str | None] | None = None,
    known: Collection[str] = (),
    appended: bool = False,
) -> Iterator[Table]:
    """Open a stored upload: CSV in any dress, XLSX, or recipients sent as JSON (see `recipients`).

    `mapping` and `known` are those of `read_columns`. An `appended` list need not have every column the mapping names.
    Raises UnreadableUpload, mostly here (too many rows included), sometimes while the lines are read.
    """
    if path.stat().st_size == 0:
        raise UnreadableUpload(EMPTY)
    with _source(path, max_rows) as source:
        header = next((line for line in source.lines if _holds_anything(line)), None)
        if header is None:
            raise UnreadableUpload(EMPTY)
        if header.problem:
            raise UnreadableUpload(f"The header in row {header.number} cannot be read: {header.problem.message}.")
        if path.suffix == SUFFIX:
            mapping = {PHONE: PHONE}
        elif appended and mapping:
            mapping = {column: meaning for column, meaning in mapping.items() if column in header.cells}
        columns = read_columns(header.cells, mapping, known)
        lines = source.lines if source.blank_rows_count else filter(_holds_anything, source.lines)
        first = next(lines, None)
        if first is None:
            raise UnreadableUpload("The file is empty: it has a header row and no rows below it.")
        expected = None if source.expected_lines is None else max(source.expected_lines - 1, 1)
        yield Table(columns, _limited(chain([first], lines), max_rows), expected, source.notes)


@contextmanager
def _source(path: Path, max_rows: int) -> Iterator[Source]:
    with path.open("rb") as file:
        signature = file.read(4)
    if path.suffix == SUFFIX:
        opened = open_recipients(path)
    elif signature in _ZIP:
        opened = open_workbook(path, max_rows=max_rows)
    else:
        opened = open_delimited(path, max_rows=max_rows)
    with opened as source:
        yield source


def _holds_anything(line: Line) -> bool:
    cells = line.cells
    return (
        bool(cells and _filled(cells[0]))  # the common case, at once
        or line.problem is not None
        or any(_filled(cell) for cell in cells)
    )


def _filled(cell: Any) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None


def _limited(lines: Iterator[Line], max_rows: int) -> Iterator[Line]:
    yield from islice(lines, max_rows)
    if next(lines, None) is not None:
        raise UnreadableUpload(f"The file has more than {max_rows:,} rows: split it into several lists.")
