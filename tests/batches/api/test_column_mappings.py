from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import AuditEntry, Workspace
from batches.models import Batch, SavedMapping
from batches.services.imports import import_batch
from tests import make

LIST = b"Tel,Vorname,Notiz\n2025550186,Ada,x\n"
MAPPING = {"Tel": "phone_number", "Vorname": "first_name", "Notiz": None}
NEW = {"name": "Praxis", "column_mapping": MAPPING, "default_country": "US"}


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path


def upload(workspace: Workspace, path: str, content: bytes = LIST, **fields: Any) -> Any:
    body = {
        "name": "Reminders",
        "agent_id": str(make.agent(workspace).pk),
        "phone_number_id": str(make.phone_number(workspace).pk),
        "file": SimpleUploadedFile("list.csv", content),
    }
    return make.client(workspace).post(path, {**body, **fields}, format="multipart")


def test_mapping_can_be_saved_changed_and_deleted(ours: Workspace) -> None:
    client = make.client(ours)

    saved = client.post("/column-mappings", NEW, format="json")
    changed = client.patch(
        f"/column-mappings/{saved.json()['id']}", {"default_country": None}, format="json"
    )
    listed = client.get("/column-mappings")
    deleted = client.delete(f"/column-mappings/{saved.json()['id']}")

    row = saved.json()
    assert saved.status_code == 201
    assert row == {
        **NEW,
        "id": row["id"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
    assert changed.json() == {
        **row,
        "default_country": None,
        "updated_at": changed.json()["updated_at"],
    }
    assert listed.json()["items"] == [changed.json()]
    assert (deleted.status_code, deleted.json()) == (200, {"detail": "Deleted"})
    assert [
        entry.action for entry in AuditEntry.unscoped.filter(workspace=ours).order_by("pk")
    ] == [
        "column_mapping.created",
        "column_mapping.updated",
        "column_mapping.deleted",
    ]


def test_names_of_mappings_are_unique(ours: Workspace) -> None:
    make.saved_mapping(ours, name="Praxis")
    other = make.saved_mapping(ours, name="Klinik")
    client = make.client(ours)

    again = client.post("/column-mappings", NEW, format="json")
    renamed = client.patch(f"/column-mappings/{other.pk}", {"name": "Praxis"}, format="json")

    assert (again.status_code, again.json()) == (409, {"detail": "Column mapping already exists"})
    assert (renamed.status_code, renamed.json()) == (
        409,
        {"detail": "Column mapping already exists"},
    )


def test_all_errors_of_a_mapping_are_reported_at_once(ours: Workspace) -> None:
    body = {"name": "", "column_mapping": {}, "default_country": "ZZ", "extra": 1}

    response = make.client(ours).post("/column-mappings", body, format="json")

    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["detail"]] == [
        ["body", "name"],
        ["body", "column_mapping"],
        ["body", "default_country"],
        ["body", "extra"],
    ]


@pytest.mark.parametrize("rows", [1, 3])
def test_query_count_of_mapping_list_is_constant(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make.saved_mapping(ours)
    client = make.client(ours)
    client.get("/column-mappings")

    with django_assert_num_queries(2):  # key, page with its total
        response = client.get("/column-mappings")

    assert response.json()["total"] == rows


def test_batch_uses_saved_mapping_and_its_country(ours: Workspace) -> None:
    saved = make.saved_mapping(ours, column_mapping=MAPPING, default_country="US")

    response = upload(ours, "/batches", column_mapping_id=str(saved.pk))

    assert response.status_code == 201
    assert (response.json()["column_mapping"], response.json()["default_country"]) == (
        MAPPING,
        "US",
    )
    assert "column_mapping_id" not in response.json()


def test_country_in_the_body_overrides_the_saved_one(ours: Workspace) -> None:
    saved = make.saved_mapping(ours, column_mapping=MAPPING, default_country="US")

    response = upload(ours, "/batches", column_mapping_id=str(saved.pk), default_country="DE")

    assert response.json()["default_country"] == "DE"


def test_mapping_of_another_workspace_is_not_found(ours: Workspace, theirs: Workspace) -> None:
    response = upload(ours, "/batches", column_mapping_id=str(make.saved_mapping(theirs).pk))

    assert (response.status_code, response.json()) == (404, {"detail": "Column mapping not found"})


def test_two_mappings_at_once_are_refused(ours: Workspace) -> None:
    saved = make.saved_mapping(ours)

    response = upload(
        ours,
        "/batches/preview",
        column_mapping_id=str(saved.pk),
        column_mapping='{"Tel": "phone_number"}',
    )

    error = {
        "loc": ["body", "column_mapping_id"],
        "msg": "give either column_mapping or column_mapping_id",
    }
    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{**error, "type": "value_error"}]},
    )


def test_preview_uses_saved_mapping_with_the_same_columns(ours: Workspace) -> None:
    saved = make.saved_mapping(ours, column_mapping=MAPPING, default_country="US")
    make.saved_mapping(ours, column_mapping={"Tel": "phone_number"})

    preview = upload(ours, "/batches/preview", b"Notiz, Tel ,Vorname\nx,2025550186,Ada\n").json()

    assert (preview["column_mapping"], preview["column_mapping_id"]) == (MAPPING, str(saved.pk))
    assert (preview["default_country"], preview["counts"]["valid"]) == ("US", 1)
    assert preview["first_rows"][0]["variables"] == {"first_name": "Ada"}


def test_saved_mapping_fits_despite_an_unnamed_column(ours: Workspace) -> None:
    saved = make.saved_mapping(ours, column_mapping=MAPPING, default_country="US")

    preview = upload(
        ours, "/batches/preview", b"Notiz,Tel,Vorname,\nx,2025550186,Ada,likes tea\n"
    ).json()

    assert (preview["column_mapping"], preview["column_mapping_id"]) == (
        MAPPING | {"column 4": "column 4"},
        str(saved.pk),
    )
    assert preview["first_rows"][0]["variables"] == {"first_name": "Ada", "column 4": "likes tea"}


def test_list_with_other_columns_is_guessed(ours: Workspace) -> None:
    make.saved_mapping(ours, column_mapping=MAPPING, default_country="US")

    preview = upload(ours, "/batches/preview", b"phone,Vorname\n+12025550186,Ada\n").json()

    assert (preview["column_mapping_id"], preview["default_country"]) == (None, None)
    assert preview["column_mapping"] == {"phone": "phone_number", "Vorname": "Vorname"}


def test_import_uses_the_same_mapping_as_the_preview(ours: Workspace) -> None:
    make.saved_mapping(ours, column_mapping=MAPPING, default_country="US")

    response = upload(ours, "/batches")
    import_batch(response.json()["id"])
    SavedMapping.unscoped.all().delete()

    batch = Batch.unscoped.get(pk=response.json()["id"])
    recipient = batch.recipients.get()
    assert (batch.column_mapping, batch.default_country) == (MAPPING, "US")
    assert (recipient.phone_number, recipient.variables_in(batch)) == (
        "+12025550186",
        {"first_name": "Ada"},
    )


def test_empty_mapping_requests_a_guess(ours: Workspace) -> None:
    make.saved_mapping(ours, column_mapping={"phone": None, "mobile": "phone_number"})

    preview = upload(
        ours, "/batches/preview", b"phone,mobile\n+12025550186,x\n", column_mapping="{}"
    ).json()

    assert preview["column_mapping_id"] is None
    assert preview["counts"]["valid"] == 1
