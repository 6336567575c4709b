"""Recipients sent as JSON, stored like an uploaded file: one JSON array a line, the header first.

So a batch made from JSON is imported, resumed and shown exactly like one made from a spreadsheet.
Variables keep their JSON types. JSON has no header, so the first recipient is row 1.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from batches.importing.columns import PHONE
from batches.importing.source import UNREADABLE_ROW, Line, Problem, Source, check_cell_length

RECIPIENTS_SUFFIX = ".recipients"
# An escaped NUL that is not itself part of an escaped backslash.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def write_recipients(path: Path, recipients: Iterable[Mapping[str, Any]]) -> None:
    """Store `[{"phone_number": …, "variables": {…}}]`. `path` must end in RECIPIENTS_SUFFIX.

    Columns are `phone_number` and every variable, in the order of first appearance; a recipient
    without a variable has null.
    """
    listed = list(recipients)
    variables_of = [recipient.get("variables") or {} for recipient in listed]
    names = list(dict.fromkeys(name for variables in variables_of for name in variables))
    with path.open("wb") as file:
        _write_line(file, [PHONE, *names])
        for recipient, variables in zip(listed, variables_of, strict=True):
            values = [variables.get(name) for name in names]
            _write_line(file, [recipient.get("phone_number"), *values])


def _write_line(file: IO[bytes], cells: list[Any]) -> None:
    file.write(orjson.dumps(cells) + b"\n")


@contextmanager
def open_recipients(path: Path) -> Iterator[Source]:
    """Open what `write_recipients` stored as a Source."""
    # Counted first, because the progress needs a total.
    with path.open("rb") as file:
        line_count = sum(1 for _ in file)
        file.seek(0)
        yield Source(_read_lines(file), expected_lines=line_count, keeps_blank_rows=True)


def _read_lines(file: IO[bytes]) -> Iterator[Line]:
    for row_number, line in enumerate(file):
        cells = orjson.loads(line)
        problem = check_cell_length(cells)
        if _NUL.search(line):
            cells = [
                cell.replace("\0", "\ufffd") if isinstance(cell, str) else None for cell in cells
            ]
            problem = Problem(
                UNREADABLE_ROW, "A value holds a NUL character, which cannot be spoken or stored"
            )
        yield row_number, cells, problem
