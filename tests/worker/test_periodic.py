"""The heart beats in every worker, or nobody looks when no bell rings."""

import subprocess
import sys

import pytest

from accounts.models import Workspace
from batches.importing.lease import begin_append
from batches.models import Batch
from tests.batches.importing import lists
from tests.faults.test_drill import ROOT
from voiceops.core import task_queue
from worker.periodic.sweeping import SweepThread

# What a worker does when it starts: load the tasks, then say that it begins.
WORKER = """
import django; django.setup()
from celery.signals import worker_init
from voiceops.celery import app
app.loader.import_default_modules()
worker_init.send(sender=None)
import threading
print(sorted(thread.name for thread in threading.enumerate()))
"""


def test_the_heart_beats_in_a_worker_before_it_has_a_broker() -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings"}

    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "'heart'" in done.stdout, done.stdout + done.stderr


def test_a_list_read_without_a_broker_is_handed_on_like_any_other(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = lists.imported(ours, "phone\n+12025550186\n")
    Batch.unscoped.filter(pk=batch.pk).update(status="completed")
    begin_append(batch=batch, upload=lists.keep("phone\n+12025550187\n"))
    monkeypatch.setattr(task_queue, "enqueue", lambda *_, **__: False)

    SweepThread().run_overdue_imports_here()

    batch.refresh_from_db()
    assert batch.status == "ready"
