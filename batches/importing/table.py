"""Opens an uploaded list of any kind. The kind is found by its content, never by its name."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from batches.importing.columns import (
    PHONE,
    Columns,
    Preview,
    SavedColumnMapping,
    count_result_columns,
    extend_header,
    join_names,
    read_columns,
    unique_column_names,
)
from batches.importing.csv_source import open_delimited
from batches.importing.json_source import RECIPIENTS_SUFFIX, open_recipients
from batches.importing.phone_columns import MAX_TITLE_ROWS, SAMPLE_ROWS, find_header
from batches.importing.source import Line, Source, UnreadableUpload
from batches.importing.xlsx_source import open_workbook
from batches.models.column_roles import ROLES

_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
EMPTY_FILE = (
    "The file is empty: it has no rows. "
    "Upload a list with a header row and one row for each person."
)


@dataclass(frozen=True, slots=True)
class Table:
    """A list with its columns interpreted.

    `lines` are the rows below the header, not yet validated, and can be read once.
    """

    columns: Columns
    lines: Iterator[Line]
    keeps_blank_rows: bool
    max_rows: int
    expected_rows: int | None
    remarks: tuple[str, ...]


@contextmanager
def open_table(
    path: Path,
    *,
    max_rows: int,
    mapping: Mapping[str, str | None] | None = None,
    agent_variables: Collection[str] = (),
    is_append: bool = False,
    saved_mappings: Iterable[SavedColumnMapping] = (),
    default_country: str | None = None,
    hidden_rows: str = "skip",
) -> Iterator[Table]:
    """Open a stored upload: CSV in any spelling, XLSX, or recipients sent as JSON.

    `mapping`, `agent_variables` and `saved_mappings` are those of `read_columns`. An appended list
    need not have every column that the mapping names. `default_country` helps to find phones.

    Raises UnreadableUpload, mostly here (also for too many rows), sometimes while lines are read.
    """
    if path.stat().st_size == 0:
        raise UnreadableUpload(EMPTY_FILE)
    with _open_source(path, max_rows, hidden_rows, mapping or {}) as source:
        header = _read_header(source)
        # JSON has its phone column by definition, whatever the variables are called.
        if path.suffix == RECIPIENTS_SUFFIX:
            mapping, saved_mappings = _mapping_of_json(mapping, header, source.roles), ()
        elif is_append and mapping:
            mapping = _drop_absent_columns(mapping, header)
        # Read now, so that a list without rows is refused before anything is stored.
        first = _read_first_rows(source)
        preview = Preview([line[1] for line in first], default_country, source.hidden_columns)
        columns = _read_columns(source, header, mapping, agent_variables, saved_mappings, preview)
        expected = source.expected_lines
        yield Table(
            columns=columns,
            lines=_drop_result_columns(chain(first, source.lines), header, len(columns.names)),
            keeps_blank_rows=source.keeps_blank_rows,
            max_rows=max_rows,
            expected_rows=None if expected is None else max(expected - 1, 1),
            remarks=(*source.remarks, *_hidden_columns(columns, source.hidden_columns)),
        )


def has_content(line: Line) -> bool:
    """Whether a line is a row, and not a gap between rows."""
    _, cells, problem = line
    return problem is not None or any(
        cell.strip() if isinstance(cell, str) else cell is not None for cell in cells
    )


@contextmanager
def _open_source(
    path: Path, max_rows: int, hidden_rows: str, mapping: Mapping[str, str | None]
) -> Iterator[Source]:
    with path.open("rb") as file:
        signature = file.read(4)
    if path.suffix == RECIPIENTS_SUFFIX:
        opened = open_recipients(path)
    elif signature in _ZIP_SIGNATURES:
        opened = open_workbook(path, max_rows=max_rows, hidden_rows=hidden_rows)
    else:
        opened = open_delimited(path, max_rows=max_rows)
    with opened as source:
        is_json = path.suffix == RECIPIENTS_SUFFIX
        yield source if is_json else _without_titles(source, mapping)


def _without_titles(source: Source, mapping: Mapping[str, str | None]) -> Source:
    """Return the list from its header on, with a remark on the rows that stand above it."""
    filled = (line for line in source.lines if has_content(line))
    first = list(islice(filled, MAX_TITLE_ROWS + 1))
    at = find_header([cells for _, cells, _ in first])
    # Who maps a column by the first row's name means that row.
    if any(str(cell).strip() in mapping for _, cells, _ in first[:1] for cell in cells):
        at = 0
    remarks = source.remarks
    if at:
        title = next(str(cell).strip() for cell in first[0][1] if str(cell or "").strip())
        rows = "1 row" if at == 1 else f"{at} rows"
        remarks = (*remarks, f"{rows} above the column names left out: {join_names([title])}")
    return replace(source, lines=chain(first[at:], source.lines), remarks=remarks)


def _read_header(source: Source) -> list[Any]:
    """Return the first line with content, with a name for every filled column."""
    header = next((line for line in source.lines if has_content(line)), None)
    if header is None:
        raise UnreadableUpload(EMPTY_FILE)
    row_number, cells, problem = header
    if problem:
        raise UnreadableUpload(f"The header in row {row_number} cannot be read: {problem.message}.")
    return extend_header(cells, source.filled_columns(cells))


def _hidden_columns(columns: Columns, hidden: Collection[int]) -> Iterator[str]:
    """Yield what the sender cannot see, if a workbook hides columns."""
    names = [name for at, name in enumerate(columns.names) if at in hidden]
    if names:
        state = "hidden, too" if columns.phone_index in hidden else "visible"
        phone = columns.names[columns.phone_index]
        yield (
            f"Hidden in the workbook: {join_names(names)}. "
            f"The numbers called are those of {phone}, which is {state}"
        )


def _read_first_rows(source: Source) -> list[Line]:
    # Lazily: a long list is read while it is stored.
    rows = (line for line in source.lines if source.keeps_blank_rows or has_content(line))
    first = list(islice(rows, SAMPLE_ROWS))
    if not first:
        sentences = ("The file is empty: it has a header row and no rows below it.",)
        raise UnreadableUpload(" ".join((*sentences, *(f"{each}." for each in source.remarks))))
    return first


def _drop_result_columns(lines: Iterator[Line], header: list[Any], width: int) -> Iterator[Line]:
    """Return the rows of an earlier results file without the cells that the export added."""
    added = count_result_columns(header)
    if not added:
        return lines
    return (
        (row_number, cells[:width] if len(cells) <= width + added else cells, problem)
        for row_number, cells, problem in lines
    )


def _mapping_of_json(
    mapping: Mapping[str, str | None] | None, header: list[Any], direct: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the meaning of a JSON list's columns: variables may have a role, and no other name.

    `direct` are the roles of fields beside the variables.
    """
    given = _drop_absent_columns(mapping or {}, header)
    roles = {column: meaning for column, meaning in given.items() if meaning in ROLES}
    return {**roles, **direct, PHONE: PHONE}


def _drop_absent_columns(
    mapping: Mapping[str, str | None], header: list[Any]
) -> dict[str, str | None]:
    names = unique_column_names(header)
    return {column: meaning for column, meaning in mapping.items() if column in names}


def _read_columns(source: Source, *arguments: Any) -> Columns:
    """As `read_columns`; a refusal also says which sheets were not read."""
    try:
        return read_columns(*arguments)
    except UnreadableUpload as refusal:
        sentences = [str(refusal), *(f"{remark}." for remark in source.remarks)]
        raise UnreadableUpload(" ".join(sentences)) from refusal
