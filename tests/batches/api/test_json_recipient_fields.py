"""Recipients in JSON with what a list has in columns with a role."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Workspace
from batches.models import Batch, Recipient
from batches.services.imports import import_batch
from tests import make

ADA = {
    "phone_number": "+12025550101",
    "external_id": "a1",
    "alternative_numbers": ["+12025550102", "(202) 555-0103"],
    "priority": 5,
    "timezone": "Asia/Tokyo",
    "variables": {"first_name": "Ada"},
}


@pytest.fixture(autouse=True)
def data_folder(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def created(of: Workspace, *recipients: dict[str, Any], **fields: Any) -> Any:
    body = {
        "name": "Reminders",
        "agent_id": str(make.agent(of).pk),
        "phone_number_id": str(make.phone_number(of).pk),
        "recipients": recipients,
        **fields,
    }
    return make.client(of).post("/batches", body)


def rows_of(batch_id: str) -> list[Any]:
    names = ("phone_number", "external_id", "other_numbers", "priority", "timezone")
    rows = Recipient.unscoped.filter(batch_id=batch_id).order_by("row_number")
    return list(rows.values_list(*names))


def test_fields_beside_the_variables_are_stored(ours: Workspace) -> None:
    bo = {"phone_number": "+12025550104", "variables": {"first_name": "Bo"}}
    response = created(ours, ADA, bo, default_country="US")
    batch_id = response.json()["id"]

    import_batch(batch_id)

    assert rows_of(batch_id) == [
        ("+12025550101", "a1", "+12025550102 +12025550103", 5, "Asia/Tokyo"),
        ("+12025550104", None, None, 0, None),
    ]
    items = make.client(ours).get(f"/batches/{batch_id}/recipients").json()["items"]
    assert [item["variables"] for item in items] == [
        {"first_name": "Ada", "timezone": "Asia/Tokyo"},
        {"first_name": "Bo"},
    ]


def test_fields_of_a_clone_are_those_of_its_batch(ours: Workspace) -> None:
    batch_id = created(ours, ADA, default_country="US").json()["id"]
    import_batch(batch_id)

    clone = make.client(ours).post(f"/batches/{batch_id}/clone", {}).json()
    import_batch(clone["id"])

    assert rows_of(clone["id"]) == rows_of(batch_id)


def test_appended_recipient_updates_the_one_of_its_external_id(ours: Workspace) -> None:
    batch_id = created(ours, ADA, default_country="US").json()["id"]
    import_batch(batch_id)
    changed = {"phone_number": "+12025550109", "external_id": "a1", "priority": 7}

    body = {"recipients": [changed], "on_existing": "update"}
    make.client(ours).post(f"/batches/{batch_id}/recipients", body)
    import_batch(batch_id)

    assert rows_of(batch_id) == [("+12025550109", "a1", None, 7, None)]


def test_fields_have_the_columns_of_their_role_in_a_list_that_was_uploaded(ours: Workspace) -> None:
    batch_id = created(
        ours,
        {"phone_number": "+12025550101", "variables": {"Customer": "a1"}},
        column_mapping={"Customer": "external_id"},
    ).json()["id"]
    import_batch(batch_id)
    changed = {"phone_number": "+12025550109", "external_id": "a1"}

    body = {"recipients": [changed], "on_existing": "update"}
    make.client(ours).post(f"/batches/{batch_id}/recipients", body)
    import_batch(batch_id)

    batch = Batch.unscoped.get(pk=batch_id)
    assert rows_of(batch_id) == [("+12025550109", "a1", None, 0, None)]
    assert (batch.columns, batch.column_roles) == (
        ["phone_number", "Customer"],
        {"Customer": "external_id"},
    )
    assert Recipient.unscoped.get(batch=batch_id).values == ["+12025550109", "a1"]


def test_preview_calls_by_the_time_zone_of_a_recipient(ours: Workspace) -> None:
    body = {
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
        "recipients": [{"phone_number": "+18005550199", "timezone": "Pacific"}],
        "calling_window": {"timezone": "recipient", "spans": [{"start": "09:00", "end": "18:00"}]},
        "start": "scheduled",
        "scheduled_at": "2027-01-11T12:00:00Z",
    }

    preview = make.client(ours).post("/batches/preview", body).json()

    assert preview["first_rows"][0]["first_call_at"] == "2027-01-11T17:00:00Z"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("external_id", ["a"], "expected text of at most 255 characters"),
        ("external_id", "a" * 256, "expected text of at most 255 characters"),
        ("alternative_numbers", "+12025550102", "expected a list of at most 9 phone numbers"),
        ("alternative_numbers", ["+1"] * 10, "expected a list of at most 9 phone numbers"),
        ("alternative_numbers", [12025550102], "expected a list of at most 9 phone numbers"),
        ("priority", "high", "expected a whole number from -1000000 to 1000000"),
        ("priority", True, "expected a whole number from -1000000 to 1000000"),
        ("timezone", "Mars", "expected a time zone such as Europe/Moscow or America/New_York"),
        ("timezone", 3, "expected a time zone such as Europe/Moscow or America/New_York"),
    ],
)
def test_bad_field_is_refused_with_what_is_expected(
    ours: Workspace, name: str, value: Any, message: str
) -> None:
    response = created(ours, {"phone_number": "+12025550101", name: value})

    assert response.status_code == 422
    assert response.json() == {
        "detail": [{"loc": ["body", "recipients", 0, name], "msg": message, "type": "value_error"}]
    }


@pytest.mark.parametrize("name", ["external_id", "alternative_numbers", "priority", "timezone"])
def test_field_without_a_value_is_none(ours: Workspace, name: str) -> None:
    batch_id = created(ours, {"phone_number": "+12025550101", name: None}).json()["id"]

    import_batch(batch_id)

    assert rows_of(batch_id) == [("+12025550101", None, None, 0, None)]
