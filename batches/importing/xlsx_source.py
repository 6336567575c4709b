"""XLSX lists, read by a child process under limits (see `xlsx_child`)."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from batches.importing.source import (
    MAX_CELL_CHARACTERS,
    MAX_COLUMNS,
    Line,
    Source,
    UnreadableUpload,
    check_cell_length,
)

CHILD = Path(__file__).with_name("xlsx_child.py")
CHILD_DIED = (
    "The file is unreadable: the workbook is damaged, or needs more memory or time than a list of phone numbers may. "
    "Save the list as CSV and upload that."
)


@contextmanager
def open_workbook(path: Path, *, max_rows: int) -> Iterator[Source]:
    """A workbook's first visible sheet with anything in it, as a Source.

    Raises UnreadableUpload, here or while the lines are read, for what the child refuses or dies
    of.
    """
    limits = [str(limit) for limit in (max_rows, MAX_COLUMNS, MAX_CELL_CHARACTERS)]
    command = [sys.executable, "-I", str(CHILD), str(path), *limits]
    child = subprocess.Popen(  # noqa: S603 - our own program; the path is ours, and nothing passes a shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}
    )
    with child:
        try:
            assert child.stdout is not None
            about = _read_answer(child.stdout)
            notes: tuple[str, ...] = ()
            if about["others"]:
                notes = (
                    f"Read the sheet {about['sheet']}; these were not read: {', '.join(about['others'])}",
                )
            width: int = about["columns"]
            yield Source(
                _read_lines(child.stdout),
                expected_lines=about["rows"],
                notes=notes,
                filled_columns=lambda _header: width,
            )
        finally:
            child.kill()


def _read_answer(pipe: IO[bytes]) -> Any:
    """The child's next line. Raises UnreadableUpload with its refusal, or because it died."""
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise UnreadableUpload(CHILD_DIED)
    answer = orjson.loads(line)
    if isinstance(answer, dict) and "error" in answer:
        raise UnreadableUpload(answer["error"])
    return answer


def _read_lines(pipe: IO[bytes]) -> Iterator[Line]:
    while isinstance(answer := _read_answer(pipe), list):
        number, cells = answer
        yield number, cells, check_cell_length(cells)
