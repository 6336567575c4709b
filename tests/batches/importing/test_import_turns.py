"""One workspace's lists, however many and long, do not make another's wait."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from accounts.models import Workspace
from batches.importing.import_job import ImportJob
from batches.models import Batch, SuppressionImport
from batches.services import import_turns, suppression_imports
from batches.services.import_turns import (
    find_waiting_imports,
    is_short_list,
    run_next_import,
    run_waiting_imports,
)
from tests.batches.importing import lists
from voiceops.core import task_queue
from worker import tasks

LIST = "phone\n+12025550186\n"
FLOOD = 10
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(import_turns, "last_served", import_turns._LastServed())
    import_turns.failing.forget()
    yield
    import_turns.failing.forget()


def flood(of: Workspace, count: int = FLOOD) -> list[Batch]:
    return [lists.batch(of, LIST) for _ in range(count)]


def suppression_list(of: Workspace) -> SuppressionImport:
    job: SuppressionImport = SuppressionImport.unscoped.create(
        workspace=of, upload=lists.keep("phone\n+12025550187\n"), default_country="US"
    )
    return job


@contextmanager
def slow_imports(of: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[UUID]]:
    """Lists of this workspace take until the block ends. Yields those that have begun."""
    may_end = threading.Event()
    begun: list[UUID] = []
    store_rows = ImportJob.store_rows

    def wait(job: ImportJob) -> None:
        if job.batch.workspace_id == of.pk:
            begun.append(job.batch.pk)
            may_end.wait(20)
        store_rows(job)

    monkeypatch.setattr(ImportJob, "store_rows", wait)
    try:
        yield begun
    finally:
        may_end.set()


def run_task() -> None:
    try:
        tasks.import_batch_task("a list that waits no more")
    finally:
        connections.close_all()


def wait_for(condition: Any) -> None:
    ends_at = time.monotonic() + 10
    while not condition() and time.monotonic() < ends_at:
        time.sleep(0.02)
    assert condition()


def is_ready(batch: Batch) -> bool:
    batch.refresh_from_db()
    return batch.status == "ready"


def test_workspaces_take_turns(ours: Workspace, theirs: Workspace) -> None:
    flooded = flood(ours)
    waiting = [lists.batch(theirs, LIST), lists.batch(theirs, LIST)]
    order: list[UUID] = []

    while run_next_import():
        order.append(next(b.pk for b in [*flooded, *waiting] if b.pk not in order and is_ready(b)))

    first, second = sorted([ours.pk, theirs.pk])
    read = [Batch.unscoped.get(pk=pk).workspace_id for pk in order]
    assert read == [first, second, first, second, *[ours.pk] * 8]
    assert [pk for pk in order if pk in {batch.pk for batch in flooded}] == [
        batch.pk for batch in flooded
    ]


def test_a_neighbours_list_is_read_while_one_floods(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_turns, "is_short_list", lambda _: False)
    flood(ours)

    with ThreadPoolExecutor(8) as pool, slow_imports(ours, monkeypatch) as begun:
        # As many messages as the worker has threads, every one about a list of the flood.
        flooded = [pool.submit(run_task) for _ in range(8)]
        wait_for(lambda: len(begun) == 2 and sum(task.done() for task in flooded) == 6)
        theirs_list = lists.batch(theirs, LIST)
        pool.submit(run_task).result(10)

        assert is_ready(theirs_list)
        assert len(begun) == 2
    assert Batch.unscoped.filter(status="ready").count() == FLOOD + 1
    assert not import_turns.places.by_workspace


def test_a_short_list_waits_for_no_long_one(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "IMPORTS_PER_PROCESS", 1)
    [long] = flood(ours, 1)

    with ThreadPoolExecutor(2) as pool, slow_imports(ours, monkeypatch) as begun:
        pool.submit(run_task)
        wait_for(lambda: begun == [long.pk])
        theirs_list = lists.batch(theirs, LIST)
        pool.submit(run_task).result(10)

        assert is_ready(theirs_list)
    assert is_ready(long)


def test_a_list_that_found_no_place_follows_the_one_before_it(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "IMPORTS_PER_PROCESS", 1)
    monkeypatch.setattr(import_turns, "is_short_list", lambda _: False)
    flood(ours)

    with ThreadPoolExecutor(2) as pool, slow_imports(ours, monkeypatch) as begun:
        first = pool.submit(run_task)
        wait_for(lambda: len(begun) == 1)
        theirs_list = lists.batch(theirs, LIST)
        pool.submit(run_task).result(10)
        was_ready = is_ready(theirs_list)
    first.result(10)

    # Nothing but the flood's own task was left to read it.
    theirs_list.refresh_from_db()
    ended = list(Batch.unscoped.order_by("pk").values_list("status", flat=True))
    assert (was_ready, ended) == (False, ["ready"] * (FLOOD + 1))


def test_lists_of_suppressions_share_the_turns(ours: Workspace, theirs: Workspace) -> None:
    for _ in range(3):
        suppression_list(ours)
    theirs_list = lists.batch(theirs, LIST)

    for _ in range(2):
        run_next_import()

    states = SuppressionImport.unscoped.order_by("pk").values_list("status", flat=True)
    assert list(states) == ["completed", "queued", "queued"]
    assert is_ready(theirs_list)


def test_what_is_being_read_elsewhere_counts(ours: Workspace, theirs: Workspace) -> None:
    first, second = sorted([ours, theirs], key=lambda workspace: workspace.pk)
    lists.batch(first, LIST, import_lease_expires_at=timezone.now() + timedelta(hours=1))
    lists.batch(first, LIST)
    next_list = lists.batch(second, LIST)

    run_next_import()

    assert is_ready(next_list)


def test_a_list_that_fails_unexpectedly_holds_up_no_other(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = suppression_list(ours)
    others = [lists.batch(ours, LIST), lists.batch(theirs, LIST)]
    fails = {poisoned.pk}
    run_import = suppression_imports.run_import

    def run(pk: UUID) -> None:
        if pk in fails:
            raise KeyError("a surprise")
        run_import(pk)

    monkeypatch.setattr(import_turns, "run_import", run)
    run_waiting_imports()
    was_read = [is_ready(batch) for batch in others]
    fails.clear()
    import_turns.failing.forget()
    run_waiting_imports()

    poisoned.refresh_from_db()
    assert was_read == [True, True]
    assert poisoned.status == "completed"


def test_a_worker_that_stops_begins_no_list(ours: Workspace) -> None:
    [waiting] = flood(ours, 1)

    run_waiting_imports(lambda: False)

    assert not is_ready(waiting)


def test_the_sweep_wakes_workers_for_every_workspace(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    flooded = flood(ours)
    theirs_job = suppression_list(theirs)
    sent: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(task_queue, "enqueue", lambda job, **ids: sent.append((job, ids)))

    for waiting in find_waiting_imports():
        waiting.enqueue()

    assert sorted(sent) == [
        (task_queue.IMPORT_BATCH, {"batch_id": str(flooded[0].pk)}),
        (task_queue.IMPORT_SUPPRESSIONS, {"import_id": str(theirs_job.pk)}),
    ]


def test_short_is_what_is_read_within_a_second_or_so(tmp_path: Path) -> None:
    short = lists.text_file(tmp_path, LIST)
    long = lists.text_file(tmp_path, LIST * 30_000, name="long.csv")
    workbook = lists.workbook(tmp_path / "short.xlsx", lists.sheet("<row/>"))
    packed = lists.workbook(tmp_path / "long.xlsx", lists.sheet("<row/>" * 1_000_000))

    found = [is_short_list(path) for path in (short, long, workbook, packed, tmp_path / "gone")]

    assert packed.stat().st_size < import_turns.SHORT_LIST_BYTES
    assert found == [True, False, True, False, True]
