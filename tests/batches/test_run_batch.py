"""`manage.py run_batch`: upload, start and watch a batch from the terminal."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from accounts.models import Workspace
from batches.models import Batch
from batches.services.imports import import_batch
from tests import make
from tests.batches.importing import lists


@contextmanager
def importing_worker() -> Iterator[None]:
    """Imports lists as a worker does, and makes no calls: every number in them is suppressed."""
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            for batch_id in lists.unread():
                import_batch(batch_id)
            time.sleep(0.05)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.fixture
def office(transactional_db: None, settings: Any, tmp_path: Path) -> Workspace:
    settings.DATA_DIR = tmp_path
    workspace = make.workspace(name="Office")
    make.agent(workspace, name="Reception")
    make.phone_number(workspace, phone_number="+12025550100")
    return workspace


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("phone\n202 555 0186\n202 555 0187\n12\n")
    return path


def test_list_is_run_and_watched_to_its_end(office: Workspace, file: Path) -> None:
    make.suppression(office, phone_number="+12025550186")
    make.suppression(office, phone_number="+12025550187")
    out = StringIO()

    with importing_worker():
        call_command(
            "run_batch",
            str(file),
            "--agent=Reception",
            "--from=+12025550100",
            "--default-country=us",
            "--max-concurrent=3",
            stdout=out,
        )

    batch = Batch.unscoped.get()
    first, *table, last = out.getvalue().splitlines()
    assert (batch.name, batch.status, batch.max_concurrent_calls) == ("people", "completed", 3)
    assert first == f"Batch {batch.pk}: people"
    assert [line.split() for line in table] == [["skipped", "2"], ["rejected", "1"]]
    assert last == "2 recipients in 0 s, batch completed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"agent": "Missing"}, "There is no agent Missing in Office"),
        ({"from": "+12025550199"}, "There is no phone number +12025550199 in Office"),
        (
            {"workspace": "Elsewhere"},
            "There is no workspace Elsewhere; create one with create_workspace",
        ),
        ({"default-country": "XX"}, "Unknown country code XX. Use two letters, for example US"),
        ({"calls-per-second": "0"}, "--calls-per-second must be from 0.01 to 1000"),
        ({"calls-per-second": "nan"}, "--calls-per-second must be from 0.01 to 1000"),
        ({"max-concurrent": "100001"}, "--max-concurrent must be from 1 to 100000"),
        ({"name": "x" * 201}, "--name has more than 200 characters"),
        ({"file": "/nowhere.csv"}, "There is no file /nowhere.csv"),
        ({"file": "/tmp"}, "/tmp is a directory"),  # noqa: S108 - nothing is written
    ],
)
def test_wrong_option_is_reported_in_one_line(
    office: Workspace, file: Path, arguments: dict[str, str], message: str
) -> None:
    given = {"file": str(file), "agent": "Reception", "from": "+12025550100", **arguments}
    options = [f"--{name}={value}" for name, value in given.items() if name != "file"]

    with pytest.raises(CommandError, match=f"^{message.replace('+', '[+]')}$"):
        call_command("run_batch", given["file"], *options)

    assert not Batch.unscoped.exists()


def test_unreadable_list_is_reported_in_one_line(office: Workspace, file: Path) -> None:
    file.write_text("name\nAda\n")

    with pytest.raises(CommandError, match=r"^The file has no phone column"):
        call_command("run_batch", str(file), "--agent=Reception", "--from=+12025550100")
