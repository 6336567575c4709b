"""XLSX: honest workbooks, and the hostile ones of docs/reference/reliability.md §0.12, §E4.

The hostile ones are made here, so that no copy of them has to be stored.
"""

import datetime
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from batches.importing import xlsx_source
from batches.importing.phones import PhoneParser
from batches.importing.row_validation import validate_rows
from batches.importing.source import UnreadableUpload
from batches.importing.table import open_table
from tests.batches.importing import lists

HUGE = (
    "The file is unreadable: the workbook unpacks to far more than a list of phone numbers. "
    "Save the list as CSV and upload that."
)
DAMAGED = (
    "The file is unreadable: it is damaged or not an XLSX workbook. Save the list as CSV and "
    "upload that."
)
DOCTYPE = b'<!DOCTYPE sst [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
PHONE_ROW = '<row r="1"><c r="A1" t="inlineStr"><is><t>phone</t></is></c></row>'


def saved(path: Path, rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    return path


def sentence(path: Path) -> str:
    with pytest.raises(UnreadableUpload) as caught, open_table(path, max_rows=1_000_000) as table:
        list(table.lines)
    return str(caught.value)


def test_missing_phone_column_error_names_unread_sheets(tmp_path: Path) -> None:
    path = saved(tmp_path / "list.xlsx", [["See the next sheet"], ["Thank you"]])
    book = openpyxl.load_workbook(path)
    book.create_sheet("List").append(["phone"])
    book.save(path)

    assert sentence(path) == (
        "The file has no phone column: found the columns See the next sheet; name one of "
        "them phone, or give "
        "column_mapping. Read the sheet Sheet; these were not read: List."
    )


def test_remark_beside_the_list_becomes_an_unnamed_column(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["phone", "name"],
        [12025550186, "Ana"],
        [12025550187, "Bo", "", "likes tea", " "],
    ]
    path = saved(tmp_path / "list.xlsx", rows)

    with open_table(path, max_rows=10) as table:
        cells = [cells for _, cells, _ in table.lines]

    assert table.columns.names == ["phone", "name", "column 3", "column 4"]
    assert cells[1][:4] == ["12025550187", "Bo", "", "likes tea"]


def test_remark_far_beside_the_list_rejects_only_its_row(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "list.xlsx", [["phone"], [12025550186], [12025550187, *[None] * 63, "far away"]]
    )

    with open_table(path, max_rows=10) as table:
        verdicts = list(validate_rows(table, PhoneParser("US")))

    assert len(table.columns.names) == 1
    assert [type(verdict).__name__ for verdict in verdicts] == ["Accepted", "Rejected"]


def test_cells_become_readable_text(tmp_path: Path) -> None:
    day = datetime.date(2026, 12, 8)
    moment = datetime.datetime(2026, 12, 8, 13, 30)  # noqa: DTZ001 - cells have no zone
    row = [12025550186, day, moment, True, 12.5, 3.0, None, "text "]
    path = saved(
        tmp_path / "list.xlsx",
        [["phone", "day", "at", "vip", "balance", "count", "gap", "note"], row],
    )

    with open_table(path, max_rows=10) as table:
        cells = [cells for _, cells, _ in table.lines]

    assert cells == [
        ["12025550186", "2026-12-08", "2026-12-08 13:30", "true", "12.5", "3", "", "text"]
    ]


def test_row_numbers_match_excel(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        [],
        [None, "phone"],
        [None, "+12025550186"],
        [],
        [None, "+12025550187", "extra"],
    ]
    path = saved(tmp_path / "list.xlsx", rows)

    with open_table(path, max_rows=10) as table:
        numbers = [number for number, cells, _ in table.lines if any(cells)]

    assert numbers == [3, 5]


def test_other_sheets_are_mentioned(tmp_path: Path) -> None:
    content = lists.sheet(PHONE_ROW + '<row r="2"><c r="A2"><v>12025550186</v></c></row>')
    path = lists.workbook(tmp_path / "list.xlsx", content, sheets=["People", "Old"])

    with open_table(path, max_rows=10) as table:
        remarks = table.remarks

    assert remarks == ("Read the sheet People; these were not read: Old",)


def test_workbook_without_rows_is_empty(tmp_path: Path) -> None:
    path = lists.workbook(tmp_path / "list.xlsx", lists.sheet(""))

    assert sentence(path) == "The file is empty: the workbook has no sheet with rows in it."


def test_too_many_rows_are_refused_before_reading(tmp_path: Path) -> None:
    rows: list[list[object]] = [[f"+1202555{number:04}"] for number in range(12)]
    path = saved(tmp_path / "list.xlsx", [["phone"], *rows])

    with pytest.raises(UnreadableUpload) as caught, open_table(path, max_rows=10):
        pass

    assert (
        str(caught.value)
        == "The file has 12 rows, more than the 10 allowed: split it into several lists."
    )


# --- hostile files ---


def shared_strings_bomb(path: Path) -> Path:
    """400 MB of shared strings in less than a megabyte."""
    strings = b"<sst>" + b"<si><t>" + b"A" * 400_000_000 + b"</t></si></sst>"
    return lists.workbook(path, lists.sheet(PHONE_ROW), shared_strings=strings)


def cells_bomb(path: Path) -> Path:
    """24 million cells in less than a megabyte."""
    row = b"<row>" + b"<c><v>1</v></c>" * 1000 + b"</row>"
    return lists.workbook(
        path, b"<worksheet><sheetData>" + row * 24_000 + b"</sheetData></worksheet>"
    )


def sparse_bomb(path: Path) -> Path:
    """Two cells, at the ends of the largest sheet there can be."""
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    return lists.workbook(path, lists.sheet(PHONE_ROW + far))


def entity_bomb(path: Path) -> Path:
    """Entities made of entities."""
    return lists.workbook(
        path, lists.sheet(PHONE_ROW), shared_strings=DOCTYPE + b"<sst><si><t>&b;</t></si></sst>"
    )


def many_entries(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(201):
            archive.writestr(f"xl/{number}.xml", "")
    return path


def truncated(path: Path) -> Path:
    content = (lists.FIXTURES / "callbacks.xlsx").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def encrypted_zip(path: Path) -> Path:
    """An honest workbook whose entries are flagged as encrypted."""
    content = bytearray((lists.FIXTURES / "callbacks.xlsx").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 4)
    path.write_bytes(content)
    return path


def another_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday.txt", "sun")
    return path


def lying_header(path: Path) -> Path:
    """Declares a tenth of what really comes out of it."""
    content = lists.workbook(
        path, lists.sheet(PHONE_ROW), shared_strings=b"<sst>" + os.urandom(50_000).hex().encode()
    )
    raw = bytearray(content.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = raw.find(signature)
        while at >= 0:
            if int.from_bytes(raw[at + offset : at + offset + 4], "little") > 50_000:
                raw[at + offset : at + offset + 4] = (10_000).to_bytes(4, "little")
            at = raw.find(signature, at + 4)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(shared_strings_bomb, HUGE, marks=pytest.mark.slow),
        pytest.param(cells_bomb, HUGE, marks=pytest.mark.slow),
        (sparse_bomb, xlsx_source.CHILD_DIED),
        (entity_bomb, DAMAGED),
        (many_entries, HUGE),
        (truncated, DAMAGED),
        (
            encrypted_zip,
            (
                "The file is unreadable: it is protected by a password. Save it without one and "
                "upload it again."
            ),
        ),
        (another_zip, DAMAGED),
        (lying_header, DAMAGED),
    ],
)
def test_hostile_workbook_is_refused_without_harm(
    tmp_path: Path, make: Callable[[Path], Path], expected: str
) -> None:
    path = make(tmp_path / "list.xlsx")
    began = time.monotonic()

    found = sentence(path)

    assert found == expected
    assert path.stat().st_size < 1_000_000
    assert time.monotonic() - began < 30
