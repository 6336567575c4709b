import pytest

from batches.importing.columns import Columns, read_columns
from batches.importing.source import UnreadableUpload


@pytest.mark.parametrize(
    "name",
    [
        "phone",
        "phone_number",
        "phone number",
        "number",
        "contact_number",
        "to",
        "to_number",
        "mobile",
        "msisdn",
        "Phone Number",
        "MOBILE",
        " Contact Number ",
    ],
)
def test_phone_column_is_found_by_its_usual_names(name: str) -> None:
    columns = read_columns(["first_name", name, "city"])

    assert columns == Columns(
        ["first_name", name.strip(), "city"], ["first_name", None, "city"], phone_index=1
    )
    assert columns.mapping == {
        "first_name": "first_name",
        name.strip(): "phone_number",
        "city": "city",
    }


def test_most_likely_phone_column_is_chosen() -> None:
    columns = read_columns(["number", "to", "Phone"])

    assert (columns.phone_index, columns.variables) == (2, ["number", "to", None])


def test_unnamed_and_repeated_columns_get_unique_names() -> None:
    columns = read_columns(["phone", "", "note", "note", "note 2", "", ""])

    assert columns.names == ["phone", "column 2", "note", "note 2", "note 2 2"]


def test_mapping_overrides_the_guess() -> None:
    columns = read_columns(
        ["phone", "Handy", "Name", "x"], {"Handy": "phone_number", "Name": "first_name", "x": None}
    )

    assert (columns.phone_index, columns.variables) == (1, ["phone", None, "first_name", None])
    assert columns.mapping == {
        "phone": "phone",
        "Handy": "phone_number",
        "Name": "first_name",
        "x": None,
    }


def test_column_is_guessed_as_similarly_named_agent_variable() -> None:
    columns = read_columns(
        ["phone", "First Name", "CITY", "note"], agent_variables=["first_name", "city", "balance"]
    )

    assert columns.variables == [None, "first_name", "city", "note"]


def test_correction_is_recognized_by_its_last_columns() -> None:
    columns = read_columns(["phone", "name", "row_number", "error_code", "error_message"])

    assert columns == Columns(["phone", "name"], [None, "name"], phone_index=0, is_correction=True)


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (
            {"Telefon": "phone_number"},
            (
                "column_mapping names columns the file does not have: Telefon. It has phone, "
                "mobile, name."
            ),
        ),
        (
            {"phone": "phone_number", "mobile": "phone_number"},
            "column_mapping names more than one phone column: phone, mobile. Keep one of them.",
        ),
        (
            {"mobile": "name"},
            "The columns mobile, name would both be the variable name: map one of them elsewhere.",
        ),
        (
            {"phone": None, "mobile": None},
            "The file has no phone column: found the columns phone, mobile, name; name one "
            "of them phone, "
            "or give column_mapping.",
        ),
    ],
)
def test_mapping_that_does_not_fit_is_refused(
    mapping: dict[str, str | None], sentence: str
) -> None:
    with pytest.raises(UnreadableUpload) as caught:
        read_columns(["phone", "mobile", "name"], mapping)

    assert str(caught.value) == sentence
