"""How long another workspace's list of ten waits while one uploads ten lists of a million."""

import csv
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from accounts.models import Workspace
from agents.models import Agent
from batches.models import Batch, Recipient
from ops.bench.dialing import BENCH_WORKSPACE, clear_dialing, require_unused_database
from ops.bench.importing import clear_table, uploads_folder, write_list
from ops.serving.processes import worker_command
from voiceops.core import task_queue
from voiceops.core.errors import DomainError
from voiceops.core.ids import uuid7

LONG_LISTS = 10
SHORT_LISTS = 5
SHORT_LIST_ROWS = 10
BEGIN_SECONDS = 60.0  # until the first rows of the long lists are stored
MAX_WAIT_SECONDS = 60.0
CHECK_INTERVAL_SECONDS = 0.05
UPLOAD_INTERVAL_SECONDS = 1.0


def measure_import_wait(rows: int) -> float:
    """The longest time, in seconds, from the upload of a list of ten until its batch is ready,
    beside ten lists of `rows` of another workspace. On an otherwise unused database.

    Raises DomainError in a database that is in use, or when nothing is read.
    """
    require_unused_database()
    clear_dialing()
    ours, theirs = (Workspace.unscoped.create(name=BENCH_WORKSPACE) for _ in range(2))
    flood = _upload_long_lists(ours, rows)
    try:
        with _running_worker():
            _wait_until_read(flood)
            waits = [_measure_list(theirs) for _ in range(SHORT_LISTS)]
            _require_unfinished(flood)
    finally:
        # What the killed worker has left would be read beside the next measurement.
        for batch in Batch.unscoped.exclude(upload=""):
            (uploads_folder() / batch.upload).unlink(missing_ok=True)
        clear_table(Recipient)
        clear_dialing()
    return max(waits)


def _upload_long_lists(workspace: Workspace, rows: int) -> list[Batch]:
    folder = uploads_folder()
    first = folder / str(uuid7())
    write_list(first, rows)
    names = [first.name, *(str(uuid7()) for _ in range(LONG_LISTS - 1))]
    for name in names[1:]:
        os.link(first, folder / name)
    return [_upload(workspace, name) for name in names]


def _measure_list(workspace: Workspace) -> float:
    """Upload a list of ten, wait until it has been read, and return the seconds."""
    time.sleep(UPLOAD_INTERVAL_SECONDS)
    path = uploads_folder() / str(uuid7())
    _write_short_list(path)
    began = time.monotonic()
    batch = _upload(workspace, path.name)
    while batch.status == Batch.Status.VALIDATING and time.monotonic() - began < MAX_WAIT_SECONDS:
        time.sleep(CHECK_INTERVAL_SECONDS)
        batch.refresh_from_db(fields=["status"])
    return time.monotonic() - began


def _write_short_list(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["phone", "first_name"])
        writer.writerows([f"+1202555{number:04}", "Ada"] for number in range(SHORT_LIST_ROWS))


def _upload(workspace: Workspace, name: str) -> Batch:
    """Create a batch whose list waits, and wake a worker, as an upload does."""
    agent = Agent.unscoped.create(workspace=workspace, name="Bench", system_prompt="Bench")
    batch: Batch = Batch.unscoped.create(
        workspace=workspace,
        name="Bench",
        agent=agent,
        agent_version=agent.create_version(),
        upload=name,
        default_country="US",
    )
    task_queue.enqueue(task_queue.IMPORT_BATCH, batch_id=str(batch.pk))
    return batch


@contextmanager
def _running_worker() -> Iterator[None]:
    """A worker as `make serve` starts it; killed at the end, in the middle of its lists."""
    process = subprocess.Popen(  # noqa: S603 - ourselves
        worker_command("bench"),
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_read(flood: list[Batch]) -> None:
    """Wait until rows of the long lists are stored. Raises DomainError when none are."""
    deadline = time.monotonic() + BEGIN_SECONDS
    begun = Batch.unscoped.filter(pk__in=[batch.pk for batch in flood], rows_read__gt=0)
    while not begun.exists():
        if time.monotonic() > deadline:
            raise DomainError(f"No list was read within {BEGIN_SECONDS:.0f} s")
        time.sleep(CHECK_INTERVAL_SECONDS)


def _require_unfinished(flood: list[Batch]) -> None:
    """Raises DomainError when the long lists were read before the short ones were."""
    left = Batch.unscoped.filter(pk__in=[batch.pk for batch in flood]).exclude(upload="")
    if not left.exists():
        raise DomainError("The long lists ended too early: give more rows (--list-rows)")
