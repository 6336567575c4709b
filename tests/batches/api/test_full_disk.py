"""Uploads on a full disk: refused in words, nothing is left behind, and it heals by itself."""

import errno
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError

from accounts.models import Workspace
from batches.models import Batch
from batches.services import suppression_imports, upload_space, uploads
from batches.services.uploads import stored_paths
from tests import make
from tests.batches.api.bodies import read_list
from voiceops.core.disk_space import DISK_FULL, used_bytes

RECIPIENTS = [{"phone_number": "+12025550186", "variables": {"first_name": "Ada"}}]


@pytest.fixture(autouse=True)
def data_dir(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    used_bytes.forget()


def upload(of: Workspace, path: str = "/batches", content: bytes = b"phone\n+12025550186\n") -> Any:
    fields = {
        "name": "List",
        "agent_id": str(make.agent(of).pk),
        "phone_number_id": str(make.phone_number(of).pk),
    }
    file = SimpleUploadedFile("list.csv", content)
    return make.client(of).post(path, {**fields, "file": file}, format="multipart")


def send(of: Workspace, batch: Batch) -> Any:
    return make.client(of).post(f"/batches/{batch.pk}/recipients", {"recipients": RECIPIENTS})


def answer(response: Any) -> tuple[int, str | None, Any]:
    return response.status_code, response.headers.get("Retry-After"), response.json()


FULL = (503, "30", {"detail": DISK_FULL})


def test_every_upload_is_refused_while_the_reserve_is_used_and_accepted_again_after(
    ours: Workspace, settings: Any
) -> None:
    batch = make.batch(ours)
    reserve = settings.MIN_FREE_DISK_BYTES
    settings.MIN_FREE_DISK_BYTES = 10**18

    refused = [upload(ours), upload(ours, "/batches/preview"), send(ours, batch)]
    listed = make.client(ours).get("/batches")
    settings.MIN_FREE_DISK_BYTES = reserve
    accepted = [upload(ours), send(ours, batch)]

    assert [answer(response) for response in refused] == [FULL, FULL, FULL]
    assert listed.status_code == 200
    assert [response.status_code for response in accepted] == [201, 201]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_in_the_middle_of_a_write_leaves_no_file(
    ours: Workspace, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(path: Path, content: Any) -> None:
        path.write_bytes(b"phone\n+1202")
        raise OSError(number, "No space left on device")

    batch = make.batch(ours)
    with monkeypatch.context() as full:
        full.setattr(uploads, "write_recipients", fill)
        refused = send(ours, batch)
        left = list(stored_paths())
    accepted = send(ours, batch)

    assert (answer(refused), left) == (FULL, [])
    assert accepted.status_code == 201


def test_a_body_that_finds_no_room_while_it_is_received_is_refused(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*arguments: Any, **named: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("django.core.files.uploadedfile.TemporaryUploadedFile.__init__", fill)

    assert answer(upload(ours)) == (503, "1", {"detail": DISK_FULL})


def test_a_long_list_of_suppressions_is_refused_on_a_full_disk(
    ours: Workspace, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_imports, "MAX_ROWS_AT_ONCE", 1)
    settings.MIN_FREE_DISK_BYTES = 10**18
    file = SimpleUploadedFile("list.csv", b"+12025550186\n+12025550123\n")

    response = make.client(ours).post(
        "/suppressions/import", {"file": file, "reason": "law"}, format="multipart"
    )

    assert answer(response) == FULL
    assert list(stored_paths()) == []


def test_a_workspace_whose_waiting_lists_take_its_share_waits_and_its_neighbour_does_not(
    ours: Workspace, theirs: Workspace, settings: Any
) -> None:
    settings.MAX_WAITING_BYTES_PER_WORKSPACE = 30
    first = upload(ours)
    waiting = upload_space.waiting_bytes(ours.pk)

    refused, neighbour = upload(ours), upload(theirs)
    read_list(first.json()["id"])
    later = upload(ours)

    assert (first.status_code, waiting) == (201, 19)
    assert answer(refused) == (
        503,
        "30",
        {
            "detail": "The lists of this workspace that wait to be read would take more than 30 "
            "bytes: try again when some of them have been read"
        },
    )
    assert (neighbour.status_code, later.status_code) == (201, 201)


def test_a_full_database_is_reported_as_a_full_disk(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr("accounts.audit.record", fail)

    assert answer(send(ours, make.batch(ours))) == (503, "1", {"detail": DISK_FULL})
