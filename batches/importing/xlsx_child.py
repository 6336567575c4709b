"""Reads an XLSX workbook in a process of its own and writes its rows to stdout, a JSON array a
line.

    python -I xlsx_child.py PATH MAX_ROWS MAX_COLUMNS MAX_CELL

Workbooks come from strangers: two kilobytes make the parser ask for gigabytes and abort, a megabyte
keeps it busy for minutes (reliability.md fact 12). So this program checks the archive first (E4),
runs under limits of memory and processor time, and imports nothing of ours: its death costs one
upload. The first line is `{"sheet", "others", "rows", "columns"}`, then `[row number, [cells]]`
follow, at last `{"end": true}` or `{"error": sentence}`; without a last line it has died.
"""

import datetime
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import orjson
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 120
MAX_ENTRIES = 200
MAX_INFLATED_BYTES = 300_000_000
MAX_RATIO = 100
RATIO_COUNTS_FROM_BYTES = 1_000_000  # small parts of honest workbooks are often repetitive
MAX_OUTPUT_BYTES = 512_000_000
READ_CHUNK_BYTES = 1 << 20
SAVE_AS_CSV = "Save the list as CSV and upload that."
DAMAGED = f"The file is unreadable: it is damaged or no XLSX workbook. {SAVE_AS_CSV}"
PROTECTED = "The file is unreadable: it is protected by a password. Save it without one and upload it again."
HUGE = f"The file is unreadable: the workbook unpacks to far more than a list of phone numbers. {SAVE_AS_CSV}"

type_of_cell = str | int | float | bool | datetime.date | datetime.time | datetime.timedelta


class RefusedError(Exception):
    """The workbook will not be read. The message is a sentence for whoever uploaded it."""


def check_archive(path: Path) -> None:
    """The checks of reliability.md E4, on declared sizes first, then on the bytes that really come
    out.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.flag_bits & 1 for entry in entries):
            raise RefusedError(PROTECTED)
        if (
            len(entries) > MAX_ENTRIES
            or sum(entry.file_size for entry in entries) > MAX_INFLATED_BYTES
        ):
            raise RefusedError(HUGE)
        if any(is_bomb(entry.file_size, entry.compress_size) for entry in entries):
            raise RefusedError(HUGE)
        left = MAX_INFLATED_BYTES
        for entry in entries:
            left -= inflate(archive, entry, left)


def is_bomb(size: int, packed: int) -> bool:
    return size > RATIO_COUNTS_FROM_BYTES and size > MAX_RATIO * max(packed, 1)


def inflate(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> int:
    """The entry's real size. Refuses document types: entities are how a small XML grows without
    end.
    """
    size, tail = 0, b""
    with archive.open(entry) as part:
        while chunk := part.read(READ_CHUNK_BYTES):
            size += len(chunk)
            if size > left or is_bomb(size, entry.compress_size):
                raise RefusedError(HUGE)
            if b"<!DOCTYPE" in tail + chunk or b"<!ENTITY" in tail + chunk:
                raise RefusedError(DAMAGED)
            tail = chunk[-16:]
    return size


def choose_sheet(workbook: CalamineWorkbook) -> tuple[CalamineSheet, list[str]]:
    """The first visible sheet with anything in it, and the names of the others that hold something
    too.
    """
    chosen, others = None, []
    for meta in workbook.sheets_metadata:
        if meta.visible != SheetVisibleEnum.Visible or meta.typ != SheetTypeEnum.WorkSheet:
            continue
        sheet = workbook.get_sheet_by_name(meta.name)
        if sheet.end is not None and chosen is None:
            chosen = sheet
        elif sheet.end is not None:
            others.append(sheet.name)
    if chosen is None:
        raise RefusedError("The file is empty: the workbook has no sheet with rows in it.")
    return chosen, others


def text(cell: type_of_cell) -> str:
    """A cell as text: whole numbers without a fraction, dates as ISO 8601."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ", timespec="minutes" if not cell.second else "seconds")
    return cell.isoformat() if isinstance(cell, datetime.date | datetime.time) else str(cell)


def rows(sheet: CalamineSheet, max_columns: int, max_cell: int) -> Iterator[tuple[int, list[str]]]:
    """(Row number as Excel shows it, cells up to the last that is not empty). Too much is cut one
    past the limit.
    """
    for number, cells in enumerate(
        sheet.iter_rows(), start=1
    ):  # it begins at the top, whatever sheet.start says
        texts = [text(cell)[: max_cell + 1] for cell in cells[: max_columns + 1]]
        if not any(cells[max_columns + 1 :]):
            while texts and not texts[-1]:
                texts.pop()
        yield number, texts


def filled_columns(sheet: CalamineSheet, max_columns: int) -> int:
    """How many columns there are up to the last that holds anything; a formula may leave a cell
    with nothing in it.
    """
    filled = 0
    for cells in sheet.iter_rows():
        for at in range(min(len(cells), max_columns), filled, -1):
            if text(cells[at - 1]).strip():
                filled = at
                break
        if filled == min(sheet.width, max_columns):
            break
    return filled


def write(path: Path, max_rows: int, max_columns: int, max_cell: int) -> None:
    check_archive(path)
    sheet, others = choose_sheet(CalamineWorkbook.from_path(path))
    if (
        sheet.height > max_rows + 1
        and (found := sum(any(cells) for cells in sheet.iter_rows()) - 1) > max_rows
    ):
        raise RefusedError(
            f"The file has {found:,} rows, more than the {max_rows:,} allowed: split it into several lists."
        )
    out = sys.stdout.buffer
    about = {
        "sheet": sheet.name,
        "others": others,
        "rows": sheet.height,
        "columns": filled_columns(sheet, max_columns),
    }
    out.write(orjson.dumps(about) + b"\n")
    written = 0
    for row in rows(sheet, max_columns, max_cell):
        written += out.write(orjson.dumps(row) + b"\n")
        if written > MAX_OUTPUT_BYTES:
            raise RefusedError(HUGE)
    out.write(b'{"end": true}\n')


def main(arguments: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, *limits = arguments
    try:
        write(Path(path), *(int(limit) for limit in limits))
        sentence = None
    except RefusedError as error:
        sentence = str(error)
    except PasswordError:
        sentence = PROTECTED
    except MemoryError:
        sentence = HUGE
    except (
        CalamineError,
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ):
        sentence = DAMAGED
    if sentence:
        sys.stdout.buffer.write(orjson.dumps({"error": sentence}) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
