"""Opens an uploaded list of any kind: what it is, is told by its content, never by its name."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from batches.importing.columns import (
    PHONE,
    Columns,
    SavedColumnMapping,
    extend_header,
    read_columns,
    unique_column_names,
)
from batches.importing.csv_source import open_delimited
from batches.importing.json_source import RECIPIENTS_SUFFIX, open_recipients
from batches.importing.source import Line, Source, UnreadableUpload
from batches.importing.xlsx_source import open_workbook

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
EMPTY_FILE = "The file is empty: it has no rows. Upload a list with a header row and one row for each person."


@dataclass(frozen=True, slots=True)
class Table:
    """A list with its columns understood. `lines` are the rows below the header, read once, and
    judged by `judge`.
    """

    columns: Columns
    lines: Iterator[Line]
    keeps_blank_rows: bool
    max_rows: int
    expected_rows: int | None
    notes: tuple[str, ...]


@contextmanager
def open_table(
    path: Path,
    *,
    max_rows: int,
    mapping: Mapping[str, str | None] | None = None,
    agent_variables: Collection[str] = (),
    is_append: bool = False,
    saved_mappings: Iterable[SavedColumnMapping] = (),
) -> Iterator[Table]:
    """Open a stored upload: CSV in any dress, XLSX, or recipients sent as JSON (see `recipients`).

    `mapping`, `known` and `remembered` are those of `read_columns`. An `appended` list need not
    have every column the mapping names. Raises UnreadableUpload, mostly here (too many rows
    included), sometimes while the lines are read.
    """
    if path.stat().st_size == 0:
        raise UnreadableUpload(EMPTY_FILE)
    with _source(path, max_rows) as source:
        header = next((line for line in source.lines if has_content(line)), None)
        if header is None:
            raise UnreadableUpload(EMPTY_FILE)
        number, cells, problem = header
        if problem:
            raise UnreadableUpload(f"The header in row {number} cannot be read: {problem.message}.")
        cells = extend_header(cells, source.filled_columns(cells))
        if path.suffix == RECIPIENTS_SUFFIX:
            mapping, saved_mappings = {PHONE: PHONE}, ()
        elif is_append and mapping:
            mapping = {
                column: meaning
                for column, meaning in mapping.items()
                if column in unique_column_names(cells)
            }
        columns = _columns(source, cells, mapping, agent_variables, saved_mappings)
        first = next(
            (line for line in source.lines if source.keeps_blank_rows or has_content(line)), None
        )
        if first is None:
            raise UnreadableUpload("The file is empty: it has a header row and no rows below it.")
        yield Table(
            columns=columns,
            lines=chain([first], source.lines),
            keeps_blank_rows=source.keeps_blank_rows,
            max_rows=max_rows,
            expected_rows=None
            if source.expected_lines is None
            else max(source.expected_lines - 1, 1),
            notes=source.notes,
        )


def _columns(source: Source, *header: Any) -> Columns:
    """As `read_columns`; a refusal also tells which sheets were not looked at."""
    try:
        return read_columns(*header)
    except UnreadableUpload as refusal:
        raise UnreadableUpload(
            " ".join([str(refusal), *(f"{note}." for note in source.notes)])
        ) from refusal


@contextmanager
def _source(path: Path, max_rows: int) -> Iterator[Source]:
    with path.open("rb") as file:
        signature = file.read(4)
    if path.suffix == RECIPIENTS_SUFFIX:
        opened = open_recipients(path)
    elif signature in _ZIP:
        opened = open_workbook(path, max_rows=max_rows)
    else:
        opened = open_delimited(path, max_rows=max_rows)
    with opened as source:
        yield source


def has_content(line: Line) -> bool:
    """Whether a row is one, or a gap between rows."""
    _, cells, problem = line
    return problem is not None or any(
        cell.strip() if isinstance(cell, str) else cell is not None for cell in cells
    )
