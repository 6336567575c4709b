import time
from pathlib import Path

import openpyxl
import pytest

from batches.importing.columns import unique_column_names
from batches.importing.json_source import open_recipients, write_recipients
from batches.importing.source import MAX_COLUMNS, UnreadableUpload
from batches.importing.table import open_table

ROW = "+12025550186"
TOO_MANY_VARIABLES = (
    "The recipients have more than 63 different variables, which are the columns of a list: "
    "remove some."
)


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableUpload) as refused, open_table(path, max_rows=1000):
        pass
    return str(refused.value)


def test_a_header_of_one_repeated_name_is_refused_before_it_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("phone," + ",".join(["name"] * 20_000) + f"\n{ROW}\n")
    started_at = time.process_time()

    refused = refusal(path)

    assert refused == "The file has 20001 columns, more than the 64 allowed: remove some."
    assert time.process_time() - started_at < 1


def test_a_workbook_of_one_repeated_name_is_refused_before_it_is_renamed(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet()
    for first in ("phone", ROW):
        sheet.append([first, *["name"] * 1_999])
    path = tmp_path / "list.xlsx"
    workbook.save(path)
    started_at = time.monotonic()

    refused = refusal(path)

    assert refused == "The file has 65 columns, more than the 64 allowed: remove some."
    assert time.monotonic() - started_at < 10


def test_repeated_names_are_numbered_around_names_that_exist() -> None:
    names = unique_column_names(["a", "a", "a 2", "a", "", "column 5", "a"])

    assert names == ["a", "a 2", "a 2 2", "a 3", "column 5", "column 5 2", "a 4"]


def test_recipients_with_variables_of_their_own_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list.recipients"
    rows = [{"phone_number": ROW, "variables": {f"name {at}": at}} for at in range(3_000)]

    with pytest.raises(UnreadableUpload, match=TOO_MANY_VARIABLES):
        write_recipients(path, rows)

    assert not path.exists()


def test_a_stored_list_weighs_what_its_values_weigh(tmp_path: Path) -> None:
    path = tmp_path / "list.recipients"
    names = [f"name {at}" for at in range(MAX_COLUMNS - 1)]
    rows = [{"phone_number": ROW, "variables": {names[at % len(names)]: at}} for at in range(3_000)]

    write_recipients(path, rows)
    with open_recipients(path) as source:
        (_, header, _), *lines = source.lines

    assert path.stat().st_size < 3_000 * 40
    assert header == ["phone_number", *names]
    assert [len(cells) for _, cells, _ in lines] == [MAX_COLUMNS] * 3_000
    assert [[cell for cell in cells[1:] if cell is not None] for _, cells, _ in lines] == [
        [at] for at in range(3_000)
    ]
    assert {cells[0] for _, cells, _ in lines} == {ROW}
