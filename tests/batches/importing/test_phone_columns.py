import pytest

from batches.importing.columns import Columns, Preview, read_columns
from batches.importing.source import UnreadableUpload

ROWS = [["Ada", "+12025550101", "3"], ["Bo", "+1 (202) 555-0102", "4"], ["Cleo", "", "5"]]


@pytest.mark.parametrize(
    "name",
    [
        *("MobilePhone", "Phone:", "Mobile Phone Number", "Primary Phone", "Cell Phone", "Tel."),
        *("Telefon", "Handynummer", "Téléphone", "N° de téléphone", "Celular", "Teléfono móvil"),
        *("Telefone", "Telefono", "电话", "手机号码", "फ़ोन नंबर", "मोबाइल", "رقم الهاتف", "جوال"),
        *("ফোন নম্বর", "Телефон", "Мобильный телефон", "فون نمبر", "電話番号", "전화번호"),
        *("Nomor Telepon", "Số điện thoại", "Phone 1 - Value", "WhatsApp", "anything at all"),
    ],
)
def test_a_column_full_of_numbers_is_found_whatever_it_is_called(name: str) -> None:
    columns = read_columns(["first_name", name, "age"], preview=Preview(ROWS))

    assert columns == Columns(["first_name", name, "age"], ["first_name", None, "age"], 1)


def test_national_numbers_are_found_with_their_country() -> None:
    rows = [["Ada", "030 1234567"], ["Bo", "(030) 7654321"]]

    columns = read_columns(["Name", "Ruf"], preview=Preview(rows, "DE"))

    assert columns.phone_index == 1


def test_numbers_decide_where_the_name_is_that_of_another_column() -> None:
    rows = [["12", "+12025550101"], ["7b", "+12025550102"]]

    columns = read_columns(["Number", "Kontakt"], preview=Preview(rows))

    assert columns == Columns(["Number", "Kontakt"], ["Number", None], 1)


def test_several_phone_columns_hold_further_numbers_of_the_same_people() -> None:
    header = ["phone", "Phone Type", "mobile", "Fax", "Home Phone"]
    rows = [["+12025550101", "work", "+12025550151", "+12025550199", ""]]

    columns = read_columns(header, preview=Preview(rows))

    assert (columns.phone_index, columns.alternatives) == (0, (2, 4))


def test_a_visible_column_goes_before_a_hidden_one() -> None:
    rows = [["+12025550101", "+12025550151"]]

    columns = read_columns(["phone", "mobile"], preview=Preview(rows, hidden={0}))

    assert (columns.phone_index, columns.alternatives) == (1, ())


def test_a_hidden_column_is_used_where_no_other_holds_numbers() -> None:
    columns = read_columns(["phone", "name"], preview=Preview([["+12025550101", "A"]], hidden={0}))

    assert columns.phone_index == 0


@pytest.mark.parametrize(
    ("header", "row", "sentence"),
    [
        (
            ["Left", "Name", "Right"],
            ["+12025550101", "Ada", "+12025550151"],
            "The file has more than one column that looks like phone numbers: Left, Right; name "
            "one of them phone, or give column_mapping.",
        ),
        (
            ["Name", "Ruf"],
            ["Ada", "030 1234567"],
            "The file has no phone column: Ruf looks like phone numbers without country code; "
            "name it phone and choose a default country.",
        ),
        (
            ["Name", "+12025550101"],
            ["Ada", "+12025550151"],
            "The file has no phone column: its first row holds a number instead of column names. "
            "Put a row with names such as phone above it.",
        ),
        (
            ["Name", "Phone Type"],
            ["Ada", "work"],
            "The file has no phone column: found the columns Name, Phone Type; name one of them "
            "phone, or give column_mapping.",
        ),
    ],
)
def test_a_doubt_is_refused_with_the_columns_that_look_like_numbers(
    header: list[str], row: list[str], sentence: str
) -> None:
    with pytest.raises(UnreadableUpload) as caught:
        read_columns(header, preview=Preview([row]))

    assert str(caught.value) == sentence
