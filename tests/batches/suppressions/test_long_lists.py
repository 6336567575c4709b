"""Long lists of numbers to suppress, read in the background."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from batches.models import SuppressionImport
from batches.services import suppression_imports
from batches.services.suppression_imports import run_import, unread_imports
from batches.services.uploads import stored_paths
from tests import make
from voiceops.core.clock import database_now
from voiceops.db.bulk_turn import bulk_transaction


@pytest.fixture(autouse=True)
def short_limits(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(suppression_imports, "MAX_ROWS_AT_ONCE", 3)
    for name in ("SUPPRESSION_CHUNK_ROWS", "SUPPRESSION_SQLITE_CHUNK_ROWS"):
        monkeypatch.setattr(suppression_imports, name, 2)


def numbers(count: int) -> list[str]:
    return [f"+1202555{n:04}" for n in range(100, 100 + count)]


def send(of: Workspace, lines: list[str]) -> Any:
    file = SimpleUploadedFile("list.csv", "\n".join(lines).encode())
    return make.client(of).post(
        "/suppressions/import", {"file": file, "reason": "law"}, format="multipart"
    )


def test_a_short_list_is_answered_at_once(ours: Workspace) -> None:
    response = send(ours, numbers(3))

    assert (response.status_code, response.json()) == (
        200,
        {"added": 3, "already": 0, "rejected_count": 0, "rejected": []},
    )
    assert not SuppressionImport.unscoped.exists()


def test_a_long_list_is_queued_and_its_progress_can_be_read(ours: Workspace) -> None:
    listed = numbers(4)
    make.suppression(ours, phone_number=listed[0])

    response = send(ours, ["phone", *listed, listed[3], "nonsense"])
    body = response.json()
    run_import(body["id"])
    after = make.client(ours).get(f"/suppressions/imports/{body['id']}").json()

    assert response.status_code == 201
    assert body == {
        "id": body["id"],
        "status": "queued",
        "error": None,
        "rows_total": 6,
        "rows_read": 0,
        "added": 0,
        "already": 0,
        "rejected_count": 0,
        "rejected": [],
        "created_at": body["created_at"],
        "ended_at": None,
    }
    assert after == {
        **body,
        "status": "completed",
        "rows_total": 7,
        "rows_read": 7,
        "added": 3,
        "already": 2,
        "rejected_count": 1,
        "rejected": [
            {
                "row_number": 7,
                "error_code": "not_a_number",
                "error_message": "“nonsense” is not a phone number",
                "values": {"phone": "nonsense"},
            }
        ],
        "ended_at": after["ended_at"],
    }
    assert ours.suppressions.filter(reason="law").count() == 3
    assert list(stored_paths()) == []


def test_an_import_that_was_killed_goes_on_where_it_stopped(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = send(ours, numbers(7)).json()["id"]
    stored = suppression_imports._merge
    calls: list[int] = []

    def die(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return stored(*arguments)

    monkeypatch.setattr(suppression_imports, "_merge", die)
    with pytest.raises(KeyboardInterrupt):
        run_import(job_id)
    assert list(unread_imports(database_now())) == []  # its lease has not expired yet
    expired = timezone.now() - timedelta(seconds=1)
    SuppressionImport.unscoped.update(lease_expires_at=expired)
    assert [str(job.pk) for job in unread_imports(database_now())] == [job_id]
    run_import(job_id)

    job = SuppressionImport.unscoped.get()
    assert (job.status, job.rows_read, job.added, job.already) == ("completed", 7, 7, 0)
    assert ours.suppressions.count() == 7


def test_an_import_is_run_once(ours: Workspace) -> None:
    job_id = send(ours, numbers(4)).json()["id"]

    run_import(job_id)
    run_import(job_id)

    assert SuppressionImport.unscoped.get().added == 4


def test_a_list_whose_file_is_gone_fails_with_a_sentence(ours: Workspace) -> None:
    job_id = send(ours, numbers(4)).json()["id"]
    for path in stored_paths():
        path.unlink()

    run_import(job_id)

    job = SuppressionImport.unscoped.get()
    assert (job.status, job.error) == ("failed", "The uploaded file is gone: upload it again.")


@pytest.mark.parametrize("rows", [1, 3])
def test_query_count_of_the_list_of_imports_is_constant(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make.suppression_import(ours)
    client = make.client(ours)
    client.get("/suppressions/imports")

    with django_assert_num_queries(2):  # key, page with its total
        assert client.get("/suppressions/imports").json()["total"] == rows


def test_imports_of_another_workspace_are_not_found(ours: Workspace, theirs: Workspace) -> None:
    job = make.suppression_import(theirs)

    response = make.client(ours).get(f"/suppressions/imports/{job.pk}")

    assert response.status_code == 404


def test_every_number_of_a_cell_is_suppressed(ours: Workspace) -> None:
    send(ours, ["phone,mobile", "+12025550101 ::: +12025550102,+12025550103"])

    assert ours.suppressions.count() == 3


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_whole_import(ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the midst of it, others find what is stored, and write."""
    job_id = send(ours, numbers(8)).json()["id"]
    between, go_on = threading.Event(), threading.Event()
    chunks: list[int] = []

    @contextmanager
    def stop_after_two(**options: Any) -> Iterator[None]:
        if len(chunks) == 2:
            between.set()
            assert go_on.wait(timeout=60)
        chunks.append(1)
        with bulk_transaction(**options):
            yield

    monkeypatch.setattr(suppression_imports, "bulk_transaction", stop_after_two)
    reader = threading.Thread(target=run_and_close, args=(job_id,))
    reader.start()
    try:
        assert between.wait(timeout=60)
        ours.name = "Changed"
        ours.save(update_fields=["name"])
        known = SuppressionImport.unscoped.get()
        found = ours.suppressions.count()
    finally:
        go_on.set()
        reader.join()

    assert (known.status, known.rows_read, found) == ("running", 4, 4)
    assert SuppressionImport.unscoped.get().status == "completed"
    assert ours.suppressions.count() == 8


def run_and_close(job_id: str) -> None:
    run_import(job_id)
    connection.close()
