"""Lists that are refused at once, and how long uploads are stored."""

import os
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Workspace
from batches.models import Batch
from batches.services import uploads
from tests import make
from tests.batches.api.bodies import order, read_list, upload


def test_second_file_is_refused(ours: Workspace) -> None:
    fields = order(make.agent(ours), make.phone_number(ours), file=[upload(), upload()])

    response = make.client(ours).post("/batches", fields, format="multipart")

    assert response.status_code == 422
    assert response.json()["detail"] == [
        {
            "loc": ["body", "file"],
            "msg": "one file is expected: send the others with POST /batches/{id}/recipients",
            "type": "value_error",
        }
    ]


def test_form_without_a_file_is_invalid(ours: Workspace) -> None:
    response = make.client(ours).post(
        "/batches", order(make.agent(ours), make.phone_number(ours)), format="multipart"
    )

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {"loc": ["body", "file"], "msg": "field required", "type": "value_error.missing"}
        ]
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"phone\n", "The file is empty"),
        (b"name,city\nAda,London\n", "The file has no phone column"),
        (b"PK\x03\x04 no workbook at all", "The file is unreadable"),
    ],
)
def test_unusable_list_is_refused_and_not_stored(
    ours: Workspace, data_dir: Path, content: bytes, sentence: str
) -> None:
    fields = order(make.agent(ours), make.phone_number(ours), file=upload(content))

    response = make.client(ours).post("/batches", fields, format="multipart")

    assert response.status_code == 400
    assert response.json()["detail"].startswith(sentence)
    assert not Batch.unscoped.exists()
    assert list((data_dir / "uploads").iterdir()) == []


def test_too_large_upload_is_refused_and_not_stored(
    ours: Workspace, settings: Any, data_dir: Path
) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000_000
    fields = order(
        make.agent(ours),
        make.phone_number(ours),
        file=upload(b"phone\n" + b"+12025550186\n" * 100_000),
    )

    response = make.client(ours).post("/batches", fields, format="multipart")

    assert (response.status_code, response.json()) == (400, {"detail": "File too large"})
    assert not Batch.unscoped.exists()
    assert list((data_dir / "uploads").iterdir()) == []


def test_empty_list_of_recipients_is_a_bad_request(ours: Workspace) -> None:
    response = make.client(ours).post(
        "/batches", order(make.agent(ours), make.phone_number(ours), recipients=[])
    )

    assert response.status_code == 400
    assert response.json() == {"detail": "The list is empty: give at least one recipient"}


def test_orphaned_uploads_are_deleted_after_a_day(ours: Workspace, data_dir: Path) -> None:
    folder = data_dir / "uploads"
    folder.mkdir()
    for name in ("orphan", "waiting", "fresh"):
        (folder / name).write_text("phone")
    for name in ("orphan", "waiting"):
        os.utime(folder / name, (0, 0))
    batch = make.batch(ours, upload="waiting")

    fields = order(batch.agent, make.phone_number(ours), file=upload())
    make.client(ours).post("/batches", fields, format="multipart")

    names = {path.name for path in folder.iterdir()}
    assert names == {"waiting", "fresh", Batch.unscoped.exclude(pk=batch.pk).get().upload}


def test_upload_deleted_during_cleanup_is_ignored(ours: Workspace, data_dir: Path) -> None:
    folder = data_dir / "uploads"
    folder.mkdir()
    (folder / "gone").symlink_to("nowhere")  # listed, but gone when it is opened

    fields = order(make.agent(ours), make.phone_number(ours), file=upload())
    response = make.client(ours).post("/batches", fields, format="multipart")

    assert response.status_code == 201


def test_long_list_is_not_opened_during_the_request(ours: Workspace, monkeypatch: Any) -> None:
    monkeypatch.setattr(uploads, "MAX_CHECKED_TEXT_BYTES", 10)
    client = make.client(ours)
    fields = order(
        make.agent(ours),
        make.phone_number(ours),
        file=upload(b"name,city\nAda,London\n"),
        start="now",
    )

    created = client.post("/batches", fields, format="multipart")
    read_list(created.json()["id"])

    body = client.get(f"/batches/{created.json()['id']}").json()
    assert (created.status_code, created.json()["status"]) == (201, "validating")
    assert body["status"] == "failed"
    assert body["error"].startswith("The file has no phone column")


def test_json_body_beyond_the_limit_is_too_large(ours: Workspace, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 1_000
    recipients = [{"phone_number": "+12025550186"}] * 100

    response = make.client(ours).post(
        "/batches", order(make.agent(ours), make.phone_number(ours), recipients=recipients)
    )

    assert (response.status_code, response.json()) == (413, {"detail": "Request body too large"})
