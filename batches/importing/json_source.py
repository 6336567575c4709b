"""Recipients sent as JSON, stored like an uploaded file: one JSON array a line, the header first.

The header is an object where recipients have fields beside their variables: `columns`, and the
`roles` of these fields' columns. So a batch made from JSON is imported, resumed and shown exactly
like one made from a spreadsheet. Variables keep their JSON types. JSON has no header, so the first
recipient is row 1.
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
from batches.models.column_roles import ALTERNATIVE, EXTERNAL_ID, PRIORITY, TIMEZONE

RECIPIENTS_SUFFIX = ".recipients"
PHONE_COLUMN = 0
# Fields of a recipient beside its variables, and what their columns mean.
ROLES_OF_FIELDS = {
    "external_id": EXTERNAL_ID,
    "alternative_numbers": ALTERNATIVE,
    "priority": PRIORITY,
    "timezone": TIMEZONE,
}
BETWEEN_NUMBERS = "; "
USUAL_FIELDS = frozenset({PHONE, "variables"})
# From this many columns for each value of a recipient, an object is shorter than its nulls.
DENSE_COLUMNS_PER_VALUE = 4
# An escaped NUL that is not itself part of an escaped backslash.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def write_recipients(path: Path, recipients: Sequence[Mapping[str, Any]]) -> None:
    """Store `[{"phone_number": …, "variables": {…}}]`. `path` must end in RECIPIENTS_SUFFIX.

    Columns are `phone_number`, every variable and every field of ROLES_OF_FIELDS, in the order of
    first appearance; a recipient without one has null. A field comes before a variable of its name.
    The file grows with the body, not with its columns: a recipient
    with few of the variables is stored as an object of column number and value.

    Raises UnreadableUpload for more variables than a list may have columns, before writing.
    """
    column_of, roles = _number_columns(recipients)
    with path.open("wb") as file:
        names = [PHONE, *column_of]
        file.write(orjson.dumps({"columns": names, "roles": roles} if roles else names) + b"\n")
        for recipient in recipients:
            variables = _values_of(recipient)
            phone = recipient.get("phone_number")
            line: Any = [phone, *map(variables.get, column_of)]
            if len(variables) * DENSE_COLUMNS_PER_VALUE < len(column_of):
                columns = {str(column_of[name]): value for name, value in variables.items()}
                line = {str(PHONE_COLUMN): phone, **columns}
            file.write(orjson.dumps(line) + b"\n")


def _values_of(recipient: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipient's variables, and its fields beside them, by column."""
    variables: dict[str, Any] = recipient.get("variables") or {}
    return variables | _fields_of(recipient) if _has_fields(recipient) else variables


def _has_fields(recipient: Mapping[str, Any]) -> bool:
    """Return whether there may be fields beside the variables; most lists have none."""
    return not recipient.keys() <= USUAL_FIELDS


def _fields_of(recipient: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: recipient.get(name) for name in ROLES_OF_FIELDS}
    return {
        name: BETWEEN_NUMBERS.join(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def _number_columns(
    recipients: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, int], dict[str, str]]:
    """Return the column of each variable and field, and the roles of the fields' columns.

    Raises UnreadableUpload when there are too many.
    """
    column_of: dict[str, int] = {}
    roles: dict[str, str] = {}
    for recipient in recipients:
        for name in _values_of(recipient):
            column_of.setdefault(name, PHONE_COLUMN + 1 + len(column_of))
        if PHONE_COLUMN + 1 + len(column_of) > MAX_COLUMNS:
            raise UnreadableUpload(
                f"The recipients have more than {MAX_COLUMNS - 1} different variables, which are "
                "the columns of a list: remove some."
            )
        if _has_fields(recipient):
            roles |= {name: ROLES_OF_FIELDS[name] for name in _fields_of(recipient)}
    return column_of, roles


@contextmanager
def open_recipients(path: Path) -> Iterator[Source]:
    """Open what `write_recipients` stored as a Source."""
    # Counted first, because the progress needs a total.
    with path.open("rb") as file:
        line_count = sum(1 for _ in file)
        file.seek(0)
        header = orjson.loads(file.readline())
        file.seek(0)
        roles = header["roles"] if isinstance(header, dict) else {}
        yield Source(
            _read_lines(file), expected_lines=line_count, keeps_blank_rows=True, roles=roles
        )


def _read_lines(file: IO[bytes]) -> Iterator[Line]:
    width = 0
    for row_number, line in enumerate(file):
        cells = orjson.loads(line)
        if row_number == 0 and isinstance(cells, dict):
            cells = cells["columns"]
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
