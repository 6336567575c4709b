"""What a worker does by itself when its broker is away."""

from typing import Any

import pytest

from accounts.models import Workspace
from batches.importing.lease import begin_append
from batches.models import Batch
from batches.services import import_turns, maintenance
from tests.batches.importing import lists
from voiceops.core import task_queue
from worker import dispatcher, sweep
from worker.periodic import broker_fallback


def test_import_without_a_broker_hands_the_batch_on(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = lists.imported(ours, "phone\n+12025550186\n")
    Batch.unscoped.filter(pk=batch.pk).update(status="completed")
    begin_append(batch=batch, upload=lists.keep("phone\n+12025550187\n"))
    monkeypatch.setattr(task_queue, "enqueue", lambda *_, **__: False)

    maintenance.import_overdue_without_broker()

    batch.refresh_from_db()
    assert batch.status == "ready"


@pytest.mark.django_db
def test_dispatcher_is_started_although_overdue_imports_cannot_be_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enqueued: list[str] = []

    def fails() -> Any:
        raise KeyError("a surprise")

    def enqueue(job: str, **_: Any) -> bool:
        enqueued.append(job)
        return True

    monkeypatch.setattr(sweep, "ROUNDS", ())
    monkeypatch.setattr(import_turns, "find_waiting_imports", fails)
    monkeypatch.setattr(dispatcher, "has_work", lambda: True)
    monkeypatch.setattr(task_queue, "enqueue", enqueue)

    broker_fallback.sweep_and_start_work()

    assert enqueued == [task_queue.RUN_DISPATCHER]


def test_dispatcher_that_fails_without_a_broker_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise KeyError("a surprise")

    broker_fallback.run_and_close(fails)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "The dispatcher failed")
    ]
