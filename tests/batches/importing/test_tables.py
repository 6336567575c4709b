from pathlib import Path

import pytest

from batches.importing.alphabets import UNKNOWN
from batches.importing.source import UnreadableUpload
from batches.importing.table import open_table
from batches.importing.text_encoding import detect_text_format
from tests.batches.importing import lists

Rows = list[tuple[int, list[str]]]
LIMIT = 5000


def read(path: Path) -> tuple[list[str], Rows]:
    with open_table(path, max_rows=LIMIT) as table:
        return table.columns.names, [
            (number, cells) for number, cells, _ in table.lines if any(map(str.strip, cells))
        ]


def refusals(path: Path) -> list[tuple[int, str, str]]:
    with open_table(path, max_rows=LIMIT) as table:
        return [(number, *problem) for number, _, problem in table.lines if problem]


def sentence(path: Path, max_rows: int = LIMIT) -> str:
    with pytest.raises(UnreadableUpload) as caught, open_table(path, max_rows=max_rows) as table:
        list(table.lines)
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_delimiters_and_encodings_are_detected(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    text = "phone,name,balance\r\n+12025550186,Małgorzata,1\r\n+12025550187,Thảo,2\r\n".replace(
        ",", delimiter
    )
    path = lists.text_file(tmp_path, text, encoding=encoding)

    found = read(path)

    rows = [(2, ["+12025550186", "Małgorzata", "1"]), (3, ["+12025550187", "Thảo", "2"])]
    assert found == (["phone", "name", "balance"], rows)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_western_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    path = lists.text_file(tmp_path, "phone;name\n+12025550186;José Müller\n", encoding=encoding)

    _, rows = read(path)

    assert rows == [(2, ["+12025550186", "José Müller"])]


@pytest.mark.parametrize(
    ("encoding", "header", "name", "read_as"),
    [
        ("cp1251", "Имя;Телефон", "Анна Иванова", "Windows-1251 (Cyrillic)"),
        ("cp1251", "Имя;Телефон".upper(), "Анна Иванова".upper(), "Windows-1251 (Cyrillic)"),
        ("cp1251", "Ім'я;Телефон", "Євген Шевченко", "Windows-1251 (Cyrillic)"),
        ("cp1253", "Όνομα;Τηλέφωνο", "Γιώργος Παπαδόπουλος", "Windows-1253 (Greek)"),
        ("cp1253", "Φύλο;Τηλέφωνο".upper(), "Γιώργος Παπαδόπουλος".upper(), "Windows-1253 (Greek)"),
        ("cp1255", "שם;טלפון", "דוד לוי", "Windows-1255 (Hebrew)"),
        ("cp1256", "الاسم;رقم الهاتف", "محمد علي", "Windows-1256 (Arabic)"),
    ],
)
def test_older_encodings_of_other_alphabets_are_detected_and_reported(
    tmp_path: Path, encoding: str, header: str, name: str, read_as: str
) -> None:
    text = f"{header}\r\n{name};+12025550186\r\n"
    path = lists.text_file(tmp_path, text, encoding=encoding)

    found = read(path)

    assert found == (header.split(";"), [(2, [name, "+12025550186"])])
    assert detect_text_format(path).remark == (
        f"The file was read as {read_as}: if names look wrong, save it as CSV UTF-8 and upload it "
        "again"
    )


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("shift_jis", "電話番号,名前\n+819012345678,山田太郎\n"),
        ("gbk", "手机号,姓名\n+8613800138000,王伟\n"),
        ("euc-kr", "전화번호,이름\n+821012345678,김민준\n"),
        ("cp874", "โทรศัพท์,ชื่อ\n+66812345678,สมชาย\n"),
    ],
)
def test_an_encoding_that_is_not_known_is_reported(
    tmp_path: Path, encoding: str, text: str
) -> None:
    path = lists.text_file(tmp_path, text, encoding=encoding)

    assert detect_text_format(path).remark == UNKNOWN
    assert read(path)[1][0][0] == 2


@pytest.mark.parametrize("text", ["José Müller, Œuvre, Çelik, Łódź", "“Ñandú” \u2013 €5 … ©"])
def test_western_lists_are_read_without_a_remark(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(f"phone;name\n+12025550186;{text}\n".encode("cp1252", "replace"))

    assert detect_text_format(path).remark is None


@pytest.mark.parametrize(
    "text",
    [
        "Customers of June\n\nphone,name\n+12025550186,Ada\n",
        "Customers of June,\n2027-06-01,\nPhone 1 - Value,name\n+12025550186,Ada\n",
        "Kunden; \nTelefon;Name\n+12025550186;Ada\n",
    ],
)
def test_titles_above_the_column_names_are_left_out_and_reported(tmp_path: Path, text: str) -> None:
    with open_table(lists.text_file(tmp_path, text), max_rows=LIMIT) as table:
        rows = list(table.lines)

    assert table.columns.phone_index == 0
    assert [cells for _, cells, _ in rows] == [["+12025550186", "Ada"]]
    assert rows[0][0] == text.splitlines().index(text.splitlines()[-1]) + 1
    [remark] = table.remarks
    title = text.splitlines()[0].strip(",; ")
    assert remark.endswith(f" above the column names left out: {title}")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("phone\n+12025550186\n+12025550187,+12025550188\n", ["phone"]),
        ("leads\n+12025550186\n+12025550187\n", ["leads"]),
        ("leads,\n+12025550186,her mobile\n", ["leads", "column 2"]),
        ("+12025550185\nphone,name\n+12025550186,Ada\n", None),
    ],
)
def test_a_row_of_one_cell_is_no_title_without_names_below_it(
    tmp_path: Path, text: str, names: list[str] | None
) -> None:
    path = lists.text_file(tmp_path, text)

    if names is None:
        assert "its first row holds a number" in sentence(path)
    else:
        assert read(path)[0] == names


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("BEGIN:VCARD\nFN:Ada\nTEL:+12025550186\nEND:VCARD\n", "The file is an address book"),
        ('[{"phone": "+12025550186"}]\n', "The file is JSON"),
        ('\n{ "recipients": []}\n', "The file is JSON"),
        ("%PDF-1.4\n", "The file is unreadable"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, text: str, beginning: str) -> None:
    assert sentence(lists.text_file(tmp_path, text)).startswith(beginning)


def test_decimal_commas_do_not_make_comma_the_delimiter(tmp_path: Path) -> None:
    path = lists.text_file(tmp_path, "phone;balance\n+12025550186;1,50\n+12025550187;2,50\n")

    _, rows = read(path)

    assert rows == [(2, ["+12025550186", "1,50"]), (3, ["+12025550187", "2,50"])]


def test_separator_line_of_excel_is_not_a_row(tmp_path: Path) -> None:
    path = lists.text_file(tmp_path, "sep=;\r\nphone;note\r\n+12025550186;a,b\r\n")

    found = read(path)

    assert found == (["phone", "note"], [(2, ["+12025550186", "a,b"])])


def test_row_numbers_match_the_spreadsheet(tmp_path: Path) -> None:
    text = 'phone,note\n\n+12025550186,"two\nlines"\n,\n+12025550187,x\n , \n'
    path = lists.text_file(tmp_path, text)

    _, rows = read(path)

    assert rows == [(3, ["+12025550186", "two\nlines"]), (5, ["+12025550187", "x"])]


def test_filled_columns_beyond_the_last_name_are_kept(
    tmp_path: Path,
) -> None:
    text = (
        "phone;;name;;;\n+12025550186;1;Ana;;;\n+12025550187;;Bo;likes "
        "tea;;\n+12025550188;;Cy;a;b;c;d\n"
    )
    path = lists.text_file(tmp_path, text)

    names, rows = read(path)

    assert names == ["phone", "column 2", "name", "column 4"]
    assert rows[1] == (3, ["+12025550187", "", "Bo", "likes tea", "", ""])


def test_empty_columns_beyond_the_last_name_are_dropped(tmp_path: Path) -> None:
    path = lists.text_file(
        tmp_path, "phone,name" + "," * 90 + "\n" + "+12025550186,Ana" + ", " * 90 + "\n"
    )

    names, _ = read(path)

    assert names == ["phone", "name"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_of_all_systems_are_read(tmp_path: Path, ending: str) -> None:
    path = lists.text_file(
        tmp_path, ending.join(["phone,name", "+12025550186,Ana", "+12025550187,Bo"])
    )

    _, rows = read(path)

    assert rows == [(2, ["+12025550186", "Ana"]), (3, ["+12025550187", "Bo"])]


@pytest.mark.parametrize("closing", [200, 1300])
def test_unclosed_quotation_mark_rejects_only_its_row(tmp_path: Path, closing: int) -> None:
    lines = [f"+1202555{number:04},Ana" for number in range(1500)]
    lines[2] = '+12025559999,"Bo'
    lines[closing] = '+12025559998,Cy "the man"'
    path = lists.text_file(tmp_path, "phone,name\n" + "\n".join(lines) + "\n")

    _, rows = read(path)

    assert [number for number, _ in rows] == list(range(2, 1502))
    assert rows[2] == (4, ["+12025559999", '"Bo'])
    assert rows[3] == (5, ["+12025550003", "Ana"])
    assert refusals(path) == [(4, "unreadable_row", "A quotation mark in this row is never closed")]


def test_too_long_cell_is_rejected_with_its_position(tmp_path: Path) -> None:
    path = lists.csv_file(
        tmp_path, [["phone", "note"], ["+12025550186", "x" * 1025], ["+12025550187", "y\n" * 512]]
    )

    found = refusals(path)

    assert found == [(2, "unreadable_row", "The cell in column 2 is longer than 1,024 characters")]


def test_damaged_bytes_in_utf8_reject_only_their_rows(tmp_path: Path) -> None:
    rows = "".join(f"+1202555{number:04},Małgorzata\n" for number in range(4000))
    path = tmp_path / "list.csv"
    path.write_bytes(
        b"phone,name\n" + rows.encode() + b"+12025550186,Jos\xe9\n+12025550187,nul\0\n"
    )

    found = refusals(path)

    words = "This row holds damaged characters: it is not in the encoding of the rest of the file"
    assert found == [(4002, "unreadable_row", words), (4003, "unreadable_row", words)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"",
            (
                "The file is empty: it has no rows. Upload a list with a header row and one row "
                "for each person."
            ),
        ),
        (
            b"\xef\xbb\xbf\r\n \r\n",
            (
                "The file is empty: it has no rows. Upload a list with a header row and one row "
                "for each person."
            ),
        ),
        (b"phone,name\n\n", "The file is empty: it has a header row and no rows below it."),
        (
            b"%PDF-1.7\n\0\1\2\3",
            (
                "The file is unreadable: it cannot be read as a spreadsheet. Save it as CSV or "
                "XLSX and upload it again."
            ),
        ),
        (
            b"<html><table><tr><td>phone</td></tr></table></html>",
            (
                "The file is unreadable: it cannot be read as a spreadsheet. Save it as CSV or "
                "XLSX and upload it again."
            ),
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
            "The file is unreadable: it is an old Excel workbook (.xls) or protected by a "
            "password. "
            "Save it as XLSX without a password and upload it again.",
        ),
        (
            b"PK\x03\x04 and then nothing of a workbook",
            (
                "The file is unreadable: it is damaged or not an XLSX workbook. Save the list as "
                "CSV and upload that."
            ),
        ),
        (
            b"\xff\xfep\0h\0o\0n\0e\0\n\0\x00\xd8a\0",
            (
                "The file is unreadable: it is damaged UTF-16. Save it as CSV UTF-8 and upload "
                "it again."
            ),
        ),
        (
            b"+12025550186,Ana\n+12025550187,Bo\n",
            "The file has no phone column: its first row holds a number instead of column names. "
            "Put a row with names such as phone above it.",
        ),
        (
            b"name,city\nAna,Lima\n",
            "The file has no phone column: found the columns name, city; name one of them phone, "
            "or give column_mapping.",
        ),
        (
            b"phone" + b",x" * 64 + b"\n+12025550186\n",
            "The file has 65 columns, more than the 64 allowed: remove some.",
        ),
        (
            b'"phone,name\n+12025550186,Ana\n' + b"+12025550186,Ana\n" * 1200,
            "The header in row 1 cannot be read: A quotation mark in this row is never closed.",
        ),
    ],
)
def test_unusable_list_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)

    found = sentence(path)

    assert found == expected


def test_too_many_rows_are_refused_before_reading(tmp_path: Path) -> None:
    path = lists.csv_file(
        tmp_path, [["phone"], *([f"+1202555{number:04}"] for number in range(12))]
    )

    found = sentence(path, max_rows=10)
    with open_table(path, max_rows=12) as table:
        rows = len(list(table.lines))

    assert found == "The file has 12 rows, more than the 10 allowed: split it into several lists."
    assert rows == 12


def test_endless_line_is_refused_in_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"phone\n" + b"1" * 4_000_000)

    assert (
        sentence(path)
        == "The file has a row longer than 1,048,576 bytes: it is not a list of phone numbers."
    )


def test_expected_rows_are_known_before_reading(tmp_path: Path) -> None:
    path = lists.text_file(tmp_path, "phone\n+12025550186\n+12025550187")

    with open_table(path, max_rows=LIMIT) as table:
        expected = table.expected_rows

    assert expected == 2
