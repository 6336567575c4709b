"""Recipients sent as JSON, stored like an uploaded file: one JSON array a line, the header first.

So a batch made from JSON is imported, resumed and shown exactly like one made from a spreadsheet.
Variables keep their JSON types. JSON has no header, so the first recipient is row 1.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from batches.importing.columns import PHONE
from batches.importing.source import (
    MAX_COLUMNS,
    UNREADABLE_ROW,
    Line,
    Problem,
    Source,
    UnreadableUpload,
    check_cell_length,
)

RECIPIENTS_SUFFIX = ".recipients"
PHONE_COLUMN = 0
# From this many columns for each value of a recipient, an object is shorter than its nulls.
DENSE_COLUMNS_PER_VALUE = 4
# An escaped NUL that is not itself part of an escaped backslash.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def write_recipients(path: Path, recipients: Sequence[Mapping[str, Any]]) -> None:
    """Store `[{"phone_number": …, "variables": {…}}]`. `path` must end in RECIPIENTS_SUFFIX.

    Columns are `phone_number` and every variable, in the order of first appearance; a recipient
    without a variable has null. The file grows with the body, not with its columns: a recipient
    with few of the variables is stored as an object of column number and value.

    Raises UnreadableUpload for more variables than a list may have columns, before writing.
    """
    column_of = _number_columns(recipients)
    with path.open("wb") as file:
        file.write(orjson.dumps([PHONE, *column_of]) + b"\n")
        for recipient in recipients:
            variables = recipient.get("variables") or {}
            phone = recipient.get("phone_number")
            line: Any = [phone, *map(variables.get, column_of)]
            if len(variables) * DENSE_COLUMNS_PER_VALUE < len(column_of):
                columns = {str(column_of[name]): value for name, value in variables.items()}
                line = {str(PHONE_COLUMN): phone, **columns}
            file.write(orjson.dumps(line) + b"\n")


def _number_columns(recipients: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the column of each variable. Raises UnreadableUpload when there are too many."""
    column_of: dict[str, int] = {}
    for recipient in recipients:
        for name in recipient.get("variables") or ():
            column_of.setdefault(name, PHONE_COLUMN + 1 + len(column_of))
        if PHONE_COLUMN + 1 + len(column_of) > MAX_COLUMNS:
            raise UnreadableUpload(
                f"The recipients have more than {MAX_COLUMNS - 1} different variables, which are "
                "the columns of a list: remove some."
            )
    return column_of


@contextmanager
def open_recipients(path: Path) -> Iterator[Source]:
    """Open what `write_recipients` stored as a Source."""
    # Counted first, because the progress needs a total.
    with path.open("rb") as file:
        line_count = sum(1 for _ in file)
        file.seek(0)
        yield Source(_read_lines(file), expected_lines=line_count, keeps_blank_rows=True)


def _read_lines(file: IO[bytes]) -> Iterator[Line]:
    width = 0
    for row_number, line in enumerate(file):
        cells = orjson.loads(line)
        width = width or len(cells)  # of the header
        if isinstance(cells, dict):
            cells = [cells.get(str(column)) for column in range(width)]
        problem = check_cell_length(cells)
        if _NUL.search(line):
            cells = [
                cell.replace("\0", "\ufffd") if isinstance(cell, str) else None for cell in cells
            ]
            problem = Problem(
                UNREADABLE_ROW, "A value holds a NUL character, which cannot be spoken or stored"
            )
        yield row_number, cells, problem
