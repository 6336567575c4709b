import csv
import io
from typing import Any

import pytest

from accounts.models import Workspace
from tests import make
from tests.batches.api.bodies import read, read_list


def test_corrected_rejected_csv_adds_only_corrected_rows(
    ours: Workspace, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    client = make.client(ours)
    fields = {
        "name": "List",
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
    }
    content = io.BytesIO(b"phone,first_name\n+12025550186,Ada\n123,=Grace\n124,Alan\n")
    content.name = "list.csv"
    batch = client.post("/batches", {**fields, "file": content}, format="multipart").json()
    read_list(batch["id"])
    rejected = read(client.get(f"/batches/{batch['id']}/rejected.csv"))
    rows = list(csv.reader(rejected.splitlines()))
    assert [row[:4] for row in rows] == [
        ["phone", "first_name", "row_number", "error_code"],
        ["123", "'=Grace", "3", "invalid_number"],
        ["124", "Alan", "4", "invalid_number"],
    ]

    corrected = io.BytesIO(rejected.replace("123,", "+12025550123,").encode())
    corrected.name = "rejected.csv"
    response = client.post(
        f"/batches/{batch['id']}/recipients", {"file": corrected}, format="multipart"
    )
    read_list(batch["id"])

    assert response.status_code == 201
    recipients = client.get(f"/batches/{batch['id']}/recipients").json()["items"]
    assert [(p["row_number"], p["phone_number"], p["variables"]) for p in recipients] == [
        (2, "+12025550186", {"first_name": "Ada"}),
        (3, "+12025550123", {"first_name": "=Grace"}),
    ]
    assert client.get(f"/batches/{batch['id']}").json()["counts"]["rejected"] == 1


def test_rows_can_be_appended_as_json(ours: Workspace, settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path
    batch, client = make.batch(ours), make.client(ours)
    recipients = [{"phone_number": "+12025550186", "variables": {"first_name": "Ada"}}]

    response = client.post(f"/batches/{batch.pk}/recipients", {"recipients": recipients})
    again = client.post(f"/batches/{batch.pk}/recipients", {"recipients": recipients})
    read_list(str(batch.pk))

    assert (response.status_code, response.json()["id"]) == (201, str(batch.pk))
    assert (again.status_code, again.json()) == (
        400,
        {"detail": "Batch is still reading an earlier list"},
    )
    assert [recipient.phone_number for recipient in batch.recipients.all()] == ["+12025550186"]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [("validating", "Batch is still validating"), ("stopped", "Batch has ended")],
)
def test_append_is_refused_when_status_forbids_it(
    ours: Workspace, status: str, sentence: str
) -> None:
    batch = make.batch(ours, status=status)

    response = make.client(ours).post(
        f"/batches/{batch.pk}/recipients", {"recipients": [{"phone_number": "+12025550186"}]}
    )

    assert (response.status_code, response.json()) == (400, {"detail": sentence})
