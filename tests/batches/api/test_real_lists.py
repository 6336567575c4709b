"""Lists as people have them: tests/fixtures/cases holds one of each kind."""

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Workspace
from agents.models import Agent
from batches.models import Batch, Recipient
from telephony.models import PhoneNumber
from tests import make
from tests.batches.api.bodies import order, read, read_list, upload

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
RESULT_END = ",pending,,,0,,,,"


@pytest.fixture
def number(ours: Workspace) -> PhoneNumber:
    return make.phone_number(ours)


@pytest.fixture
def agent(ours: Workspace) -> Agent:
    return make.agent(ours)


@pytest.fixture
def client(ours: Workspace, data_dir: Path) -> APIClient:
    return make.client(ours)


def body(name: str, agent: Agent, number: PhoneNumber, **fields: Any) -> dict[str, Any]:
    return order(agent, number, file=upload((CASES / name).read_bytes(), name), **fields)


def previewed(
    client: APIClient, name: str, agent: Agent, number: PhoneNumber, **fields: Any
) -> dict[str, Any]:
    response = client.post(
        "/batches/preview", body(name, agent, number, **fields), format="multipart"
    )
    assert response.status_code == 200, response.json()
    data: dict[str, Any] = response.json()
    return data


def imported(
    client: APIClient, content: bytes, agent: Agent, number: PhoneNumber, **fields: Any
) -> Batch:
    sent = order(agent, number, file=upload(content), **fields)
    response = client.post("/batches", sent, format="multipart")
    assert response.status_code == 201, response.json()
    return read_list(response.json()["id"])


def called(data: dict[str, Any]) -> list[str]:
    return [row["phone_number"] for row in data["first_rows"] if row["status"] == "pending"]


def test_blanks_around_values_are_no_part_of_them(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "padded.csv", agent, number)

    assert data["columns"] == ["phone", "first_name"]
    assert data["counts"]["valid"] == 4
    assert [row["variables"]["first_name"] for row in data["first_rows"]] == [
        *("Ada", "Bo", "", "Cleo"),
    ]


def test_a_required_variable_of_nothing_but_blanks_is_missing(
    client: APIClient, ours: Workspace, number: PhoneNumber
) -> None:
    agent = make.agent(ours, variables=[{"name": "first_name", "required": True, "default": None}])

    data = previewed(client, "padded.csv", agent, number)

    assert data["counts"]["missing_variable"] == 1


def test_an_address_book_is_understood(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "contacts-export.csv", agent, number)

    assert data["column_mapping"]["Phone 1 - Value"] == "phone_number"
    assert called(data) == ["+12025550101", "+12025550102", "+12025550153"]


def test_the_first_of_two_numbers_in_a_cell_is_called(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "two-numbers-in-a-cell.csv", agent, number)

    assert called(data) == ["+12025550101", "+12025550102", "+12025550103"]
    assert data["notes"] == [
        "3 rows hold more than one number in a cell: the first good one is called, "
        "the others when it does not exist"
    ]


def test_invisible_characters_make_no_other_number(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "invisible-characters.csv", agent, number)

    assert (data["counts"]["valid"], data["counts"]["duplicate"]) == (4, 4)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.glob("header-*.csv")))
def test_headers_of_other_programs_and_languages_are_found(
    case: str, client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, case, agent, number)

    assert called(data) == ["+12025550101", "+12025550102", "+12025550103"]


def test_an_empty_phone_cell_is_called_at_the_other_column(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "two-phone-columns.csv", agent, number)

    assert called(data) == ["+12025550101", "+12025550102"]


def test_rows_hidden_by_a_filter_are_left_out_and_reported(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "filtered.xlsx", agent, number)

    assert data["counts"]["rows"] == 6
    assert data["notes"] == [
        "34 rows are hidden in the workbook and left out: upload with hidden_rows=call to call "
        "them, too"
    ]


def test_hidden_rows_are_called_where_the_uploader_says_so(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "filtered.xlsx", agent, number, hidden_rows="call")

    assert data["counts"]["rows"] == 40
    assert data["notes"] == [
        "34 rows are hidden in the workbook and called all the same: upload with hidden_rows=skip "
        "to leave them out"
    ]


def test_a_batch_keeps_its_choice_about_hidden_rows(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    content = (CASES / "filtered.xlsx").read_bytes()

    skipping = imported(client, content, agent, number)
    calling = imported(client, content, agent, number, hidden_rows="call")

    assert Recipient.unscoped.filter(batch=skipping).count() == 6
    assert Recipient.unscoped.filter(batch=calling).count() == 40
    assert client.get(f"/batches/{calling.pk}").json()["hidden_rows"] == "call"


def test_an_appended_workbook_has_its_own_say_about_hidden_rows(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    batch = imported(client, b"phone\n+12025550186\n", agent, number)
    file = upload((CASES / "filtered.xlsx").read_bytes(), "filtered.xlsx")

    response = client.post(
        f"/batches/{batch.pk}/recipients", {"file": file, "hidden_rows": "call"}, format="multipart"
    )
    read_list(str(batch.pk))

    assert response.status_code == 201
    assert Recipient.unscoped.filter(batch=batch).count() == 41


def test_the_visible_phone_column_is_called(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "hidden-column.xlsx", agent, number)

    assert data["column_mapping"]["mobile"] == "phone_number"
    assert data["notes"] == [
        "Hidden in the workbook: phone. The numbers called are those of mobile, which is visible"
    ]


def test_old_mexican_spellings_are_called_without_the_one(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    data = previewed(client, "mexico.csv", agent, number)

    assert called(data) == ["+525541637145", "+525541637146", "+525541637147"]
    assert data["counts"]["repaired"] == 2


def test_two_spellings_of_one_mexican_are_one_person(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    batch = imported(client, b"phone\n+5215541637145\n+52 55 4163 7145\n", agent, number)

    assert list(Recipient.unscoped.filter(batch=batch).values_list("status", "reason")) == [
        ("pending", None),
        ("skipped", "duplicate"),
    ]


def test_a_list_makes_the_round_without_gaining_anything(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    first = imported(client, (CASES / "balances.csv").read_bytes(), agent, number)
    results = read(client.get(f"/batches/{first.pk}/results.csv"))
    second = imported(client, results.encode(), agent, number)
    again = read(client.get(f"/batches/{second.pk}/results.csv"))

    assert results.splitlines()[1:] == [
        f"+12025550100,-42.50{RESULT_END}",
        f'+12025550101,"-1,234.56"{RESULT_END}',
        f"+12025550102,+1 (202) 555-0199{RESULT_END}",
        f"+12025550103,-5{RESULT_END}",
        f"+12025550104,'=1+1{RESULT_END}",
        f"+12025550105,'@x{RESULT_END}",
        f"+12025550106,'+1-1{RESULT_END}",
        f"+12025550107,'quoted{RESULT_END}",
    ]
    assert again == results
    assert second.columns == ["phone", "balance"]
    rows = Recipient.unscoped.filter(batch=second).order_by("row_number")
    assert [row.variables_in(second)["balance"] for row in rows] == [
        *("-42.50", "-1,234.56", "+1 (202) 555-0199", "-5", "=1+1", "@x", "+1-1", "'quoted"),
    ]


def test_a_workbook_of_results_makes_the_round_too(
    client: APIClient, agent: Agent, number: PhoneNumber
) -> None:
    first = imported(client, (CASES / "balances.csv").read_bytes(), agent, number)
    response = client.get(f"/batches/{first.pk}/results.xlsx")
    workbook = b"".join(response.streaming_content)  # type: ignore[attr-defined]  # streamed
    second = imported(client, workbook, agent, number)

    rows = Recipient.unscoped.filter(batch=second).order_by("row_number")
    originals = Recipient.unscoped.filter(batch=first).order_by("row_number")
    assert [row.values for row in rows] == [row.values for row in originals]


def test_numbers_copied_from_web_pages_are_understood_everywhere(
    client: APIClient, ours: Workspace
) -> None:
    copied = "\u2068+1 202\u2011555\u20110101\u2069"

    created = client.post("/suppressions", {"phone_number": copied}, format="json")

    assert (created.status_code, created.json()["phone_number"]) == (201, "+12025550101")
    make.call(ours, to_number="+12025550101", from_number="+12025550102")
    for query in ({"to": copied}, {"from": "\u202d+12025550102\u202c"}):
        assert client.get("/calls", query).json()["total"] == 1
