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
from voiceops.core.formulas import unescape_formula

CHILD = Path(__file__).with_name("xlsx_child.py")
GUARDED_TEXT = b"\"'"  # a JSON string that begins with an apostrophe
CHILD_DIED = (
    "The file is unreadable: the workbook is damaged, or needs more memory or time than a list of "
    "phone numbers may. Save the list as CSV and upload that."
)


@contextmanager
def open_workbook(path: Path, *, max_rows: int, hidden_rows: str) -> Iterator[Source]:
    """Open a workbook's first visible sheet with content as a Source.

    `hidden_rows` is `skip` or `call`, as in `Batch.HiddenRows`.

    Raises UnreadableUpload, here or while lines are read, when the child refuses the workbook or
    dies.
    """
    limits = [str(limit) for limit in (max_rows, MAX_COLUMNS, MAX_CELL_CHARACTERS)]
    command = [sys.executable, "-I", str(CHILD), str(path), *limits, hidden_rows]
    child = subprocess.Popen(  # noqa: S603 - our own program and path, without a shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}
    )
    with child:
        try:
            assert child.stdout is not None
            # The child sends its first line after all checks: most refusals arrive here.
            summary = _read_answer(child.stdout)
            width: int = summary["columns"]
            yield Source(
                _read_lines(child.stdout),
                expected_lines=summary["rows"],
                remarks=tuple(_remarks(summary, hidden_rows)),
                hidden_columns=frozenset(summary["hidden_columns"]),
                filled_columns=lambda _header: width,
            )
        finally:
            # A reader that stops early must not wait for the rest of the workbook.
            child.kill()


def _remarks(summary: dict[str, Any], hidden_rows: str) -> Iterator[str]:
    """Yield what the user should know about how the workbook was read."""
    if summary["others"]:
        others = ", ".join(summary["others"])
        yield f"Read the sheet {summary['sheet']}; these were not read: {others}"
    count: int = summary["hidden_rows"]
    if count:
        rows = "1 row is" if count == 1 else f"{count:,} rows are"
        yield (
            f"{rows} hidden in the workbook and left out: upload with hidden_rows=call to call "
            "them, too"
            if hidden_rows == "skip"
            else f"{rows} hidden in the workbook and called all the same: upload with "
            "hidden_rows=skip to leave them out"
        )


def _read_answer(pipe: IO[bytes]) -> Any:
    """Return the child's next line, with a row's cells as an earlier export found them.

    Raises UnreadableUpload with the child's refusal, or because it died.
    """
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise UnreadableUpload(CHILD_DIED)
    answer = orjson.loads(line)
    if GUARDED_TEXT in line and isinstance(answer, list):
        row_number, cells = answer
        return [row_number, [unescape_formula(cell) for cell in cells]]
    if isinstance(answer, dict) and "error" in answer:
        raise UnreadableUpload(answer["error"])
    return answer


def _read_lines(pipe: IO[bytes]) -> Iterator[Line]:
    while isinstance(answer := _read_answer(pipe), list):
        row_number, cells = answer
        yield row_number, cells, check_cell_length(cells)
