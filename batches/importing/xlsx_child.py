"""Reads an XLSX workbook in a process of its own; writes its rows to stdout as lines of JSON.

    python -I xlsx_child.py PATH MAX_ROWS MAX_COLUMNS MAX_CELL skip|call

The last argument decides about the rows that the workbook hides, usually by a filter.

Workbooks come from strangers: two kilobytes make the parser ask for gigabytes and abort, a megabyte
keeps it busy for minutes (docs/reference/reliability.md §0.12). So this program checks the archive
first (docs/reference/reliability.md §E4), limits its memory and processor time, and imports nothing
of the application: its death costs one upload.

The first line is `{"sheet", "others", "rows", "columns", "hidden_rows", "hidden_columns"}`; then
come `[row number, [cells]]`, and last `{"end": true}` or `{"error": sentence}`. Without a last
line the process has died.
"""

import datetime
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

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
# Small parts of honest workbooks are often repetitive.
RATIO_COUNTS_FROM_BYTES = 1_000_000
MAX_OUTPUT_BYTES = 512_000_000
WORKBOOK_CHUNK_BYTES = 1 << 20
MAX_TOKEN_BYTES = 16
SAVE_AS_CSV = "Save the list as CSV and upload that."
DAMAGED_WORKBOOK = f"The file is unreadable: it is damaged or not an XLSX workbook. {SAVE_AS_CSV}"
PROTECTED_WORKBOOK = (
    "The file is unreadable: it is protected by a password. "
    "Save it without one and upload it again."
)
HUGE_WORKBOOK = (
    "The file is unreadable: the workbook unpacks to far more than a list of phone numbers. "
    f"{SAVE_AS_CSV}"
)

SKIP_HIDDEN = "skip"
WORKBOOK_XML = "xl/workbook.xml"
WORKBOOK_RELATIONS = "xl/_rels/workbook.xml.rels"
RELATION_ID = re.compile(r"\{.*\}id\Z")
# Tags of rows and columns that are hidden, or have no height or width.
HIDDEN_TAG = re.compile(
    rb"<(?:\w+:)?(row|col)\s[^>]*?(?:hidden=\"(?:1|true)\"|(?:ht|width)=\"0(?:\.0*)?\")[^>]*>"
)
HIDDEN_MARKS = (b"hidden=", b'ht="0', b'width="0')
ATTRIBUTE = re.compile(rb"\b(r|min|max)=\"(\d+)\"")

Cell = str | int | float | bool | datetime.date | datetime.time | datetime.timedelta


class RefusedError(Exception):
    """The workbook will not be read. The message is a sentence for the user."""


def check_archive(path: Path) -> None:
    """Check the archive's declared sizes, then the bytes that it really unpacks to.

    Raises RefusedError (docs/reference/reliability.md §E4).
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.flag_bits & 1 for entry in entries):
            raise RefusedError(PROTECTED_WORKBOOK)
        declared_bytes = sum(entry.file_size for entry in entries)
        if len(entries) > MAX_ENTRIES or declared_bytes > MAX_INFLATED_BYTES:
            raise RefusedError(HUGE_WORKBOOK)
        if any(is_bomb(entry.file_size, entry.compress_size) for entry in entries):
            raise RefusedError(HUGE_WORKBOOK)

        # Declared sizes may lie.
        remaining = MAX_INFLATED_BYTES
        for entry in entries:
            remaining -= inflate(archive, entry, remaining)


def is_bomb(size: int, packed_size: int) -> bool:
    """Whether an entry unpacks to far more than honest XML does."""
    return size > RATIO_COUNTS_FROM_BYTES and size > MAX_RATIO * max(packed_size, 1)


def inflate(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> int:
    """Unpack an entry and return its real size.

    Raises RefusedError for too large entries and for document types: entities let a small XML grow
    without end.
    """
    size = 0
    tail = b""
    with archive.open(entry) as part:
        while chunk := part.read(WORKBOOK_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes or is_bomb(size, entry.compress_size):
                raise RefusedError(HUGE_WORKBOOK)
            # The tail finds declarations that begin in one chunk and end in the next.
            if b"<!DOCTYPE" in tail + chunk or b"<!ENTITY" in tail + chunk:
                raise RefusedError(DAMAGED_WORKBOOK)
            tail = chunk[-MAX_TOKEN_BYTES:]
    return size


def choose_sheet(workbook: CalamineWorkbook) -> tuple[CalamineSheet, list[str]]:
    """Return the first visible sheet with content, and the names of the others that have any.

    Raises RefusedError when there is none.
    """
    chosen = None
    others = []
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


def cell_text(cell: Cell) -> str:
    """Return a cell as text: whole numbers without a fraction, dates in ISO 8601."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ", timespec="minutes" if not cell.second else "seconds")
    return cell.isoformat() if isinstance(cell, datetime.date | datetime.time) else str(cell)


def read_rows(
    sheet: CalamineSheet, max_columns: int, max_cell: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield each row's number as Excel shows it, and its cells up to the last that is not empty.

    Rows and cells beyond a limit are cut one past it, so that the reader sees the excess.
    """
    # iter_rows() begins at the top of the sheet, whatever sheet.start is.
    for row_number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [cell_text(cell).strip()[: max_cell + 1] for cell in cells[: max_columns + 1]]
        if not any(cells[max_columns + 1 :]):
            while texts and not texts[-1]:
                texts.pop()
        yield row_number, texts


class Hidden(NamedTuple):
    """What a sheet hides: rows as Excel counts them, and columns counted from 0."""

    rows: set[int]
    columns: set[int]


def find_hidden(path: Path, sheet_name: str, max_columns: int) -> Hidden:
    """Return what the sheet hides; nothing for workbooks whose parts have unusual names.

    The parser of cells does not say, so the sheet's own XML is searched. `check_archive` has
    refused document types before.
    """
    hidden = Hidden(set(), set())
    with zipfile.ZipFile(path) as archive:
        part_name = find_sheet_part(archive, sheet_name)
        if part_name is None:
            return hidden
        tail = b""
        with archive.open(part_name) as part:
            while chunk := part.read(WORKBOOK_CHUNK_BYTES):
                text = tail + chunk
                # A tag may begin in one chunk and end in the next.
                cut = text.rfind(b"<")
                tail = text[cut:] if cut >= 0 else b""
                add_hidden(text[: cut if cut >= 0 else None], hidden, max_columns)
    return hidden


def add_hidden(xml: bytes, hidden: Hidden, max_columns: int) -> None:
    """Add the hidden rows and columns that a piece of a sheet names."""
    if not any(mark in xml for mark in HIDDEN_MARKS):
        return
    for tag in HIDDEN_TAG.finditer(xml):
        numbers = {name: int(value) for name, value in ATTRIBUTE.findall(tag.group())}
        if tag.group(1) == b"row" and b"r" in numbers:
            hidden.rows.add(numbers[b"r"])
        elif tag.group(1) == b"col" and b"min" in numbers:
            last = min(numbers.get(b"max", numbers[b"min"]), max_columns)
            hidden.columns.update(range(numbers[b"min"] - 1, last))


def find_sheet_part(archive: zipfile.ZipFile, sheet_name: str) -> str | None:
    """Return the name of the sheet's XML in the archive; None where it is not as usual."""
    names = set(archive.namelist())
    if not {WORKBOOK_XML, WORKBOOK_RELATIONS} <= names:
        return None
    relation_id = None
    # Document types, which are what makes XML dangerous, were refused before.
    workbook = ElementTree.fromstring(archive.read(WORKBOOK_XML))  # noqa: S314 - see above
    for element in workbook.iter():
        if element.tag.endswith("}sheet") and element.get("name") == sheet_name:
            ids = (value for name, value in element.items() if RELATION_ID.match(name))
            relation_id = next(ids, None)
    relations = ElementTree.fromstring(archive.read(WORKBOOK_RELATIONS))  # noqa: S314 - see above
    for element in relations:
        if element.get("Id") == relation_id:
            target = element.get("Target", "").lstrip("/")
            part_name = target if target.startswith("xl/") else f"xl/{target}"
            return part_name if part_name in names else None
    return None


def find_hidden_rows(sheet: CalamineSheet, hidden: set[int]) -> set[int]:
    """Return the hidden rows with content below the header."""
    found: set[int] = set()
    has_header = False
    for row_number, cells in enumerate(sheet.iter_rows(), start=1):
        if has_header and row_number not in hidden:
            continue
        if any(cell_text(cell).strip() for cell in cells):
            if has_header:
                found.add(row_number)
            has_header = True
    return found


def count_filled_columns(sheet: CalamineSheet, max_columns: int) -> int:
    """Count the columns up to the last with content; a formula's cell may have none."""
    filled = 0
    for cells in sheet.iter_rows():
        for position in range(min(len(cells), max_columns), filled, -1):
            if cell_text(cells[position - 1]).strip():
                filled = position
                break
        if filled == min(sheet.width, max_columns):
            break
    return filled


def require_row_limit(sheet: CalamineSheet, max_rows: int) -> None:
    """Raises RefusedError when the sheet has more than `max_rows` rows below its header."""
    if sheet.height <= max_rows + 1:
        return
    rows = sum(any(cells) for cells in sheet.iter_rows()) - 1
    if rows > max_rows:
        raise RefusedError(
            f"The file has {rows:,} rows, more than the {max_rows:,} allowed: "
            "split it into several lists."
        )


def write_rows(
    path: Path, max_rows: int, max_columns: int, max_cell: int, hidden_rows: str
) -> None:
    """Check the workbook and write its rows to stdout. Raises RefusedError."""
    check_archive(path)
    sheet, others = choose_sheet(CalamineWorkbook.from_path(path))
    require_row_limit(sheet, max_rows)
    hidden = find_hidden(path, sheet.name, max_columns)
    hidden_content = find_hidden_rows(sheet, hidden.rows) if hidden.rows else set()
    left_out = hidden_content if hidden_rows == SKIP_HIDDEN else set()
    out = sys.stdout.buffer
    summary = {
        "sheet": sheet.name,
        "others": others,
        "rows": sheet.height,
        "columns": count_filled_columns(sheet, max_columns),
        "hidden_rows": len(hidden_content),
        "hidden_columns": sorted(hidden.columns),
    }
    out.write(orjson.dumps(summary) + b"\n")
    written_bytes = 0
    for row in read_rows(sheet, max_columns, max_cell):
        if row[0] in left_out:
            continue
        written_bytes += out.write(orjson.dumps(row) + b"\n")
        if written_bytes > MAX_OUTPUT_BYTES:
            raise RefusedError(HUGE_WORKBOOK)
    out.write(b'{"end": true}\n')


def main(arguments: list[str]) -> None:
    """Read the workbook named on the command line, under limits."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever the parser raises for a hostile file becomes one sentence.
    path, max_rows, max_columns, max_cell, hidden_rows = arguments
    try:
        write_rows(Path(path), int(max_rows), int(max_columns), int(max_cell), hidden_rows)
        refusal = None
    except RefusedError as error:
        refusal = str(error)
    except PasswordError:
        refusal = PROTECTED_WORKBOOK
    except MemoryError:
        refusal = HUGE_WORKBOOK
    except (
        CalamineError,
        ElementTree.ParseError,
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ):
        refusal = DAMAGED_WORKBOOK
    if refusal:
        sys.stdout.buffer.write(orjson.dumps({"error": refusal}) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
