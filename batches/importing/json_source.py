"""Recipients sent as JSON, kept like an uploaded file: one JSON array a line, the header first.

So a batch made from JSON is imported, resumed and shown exactly like one made from a spreadsheet.
Variables keep their JSON types. Having no header, the first recipient is row 1.
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
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def write_recipients(path: Path, recipients: Iterable[Mapping[str, Any]]) -> None:
    """Store `[{"phone_number": …, "variables": {…}}]`. `path` must end in SUFFIX.

    Columns are `phone_number` and every variable in the order they first appear; null where a
    recipient has none.
    """
    listed = list(recipients)
    names = list(
        dict.fromkeys(name for recipient in listed for name in recipient.get("variables") or {})
    )
    with path.open("wb") as file:
        _write_line(file, [PHONE, *names])
        for recipient in listed:
            variables = recipient.get("variables") or {}
            _write_line(
                file, [recipient.get("phone_number"), *(variables.get(name) for name in names)]
            )


def _write_line(file: IO[bytes], cells: list[Any]) -> None:
    file.write(orjson.dumps(cells) + b"\n")


@contextmanager
def open_recipients(path: Path) -> Iterator[Source]:
    """What `write_recipients` stored, as a Source."""
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
        file.seek(0)
        yield Source(_read(file), expected_lines=lines, keeps_blank_rows=True)


def _read(file: IO[bytes]) -> Iterator[Line]:
    for number, line in enumerate(file):
        cells = orjson.loads(line)
        problem = check_cell_length(cells)
        if _NUL.search(line):
            cells = [
                cell.replace("\0", "\ufffd") if isinstance(cell, str) else None for cell in cells
            ]
            problem = Problem(
                UNREADABLE_ROW, "A value holds a NUL character, which nobody can say or store"
            )
        yield number, cells, problem
