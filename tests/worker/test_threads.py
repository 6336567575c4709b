"""A worker's threads: which ones start, and what one of them survives."""

import logging
import subprocess
import sys
import threading

import pytest
from django.db import OperationalError, connections

from tests.faults.test_drill import ROOT
from worker.threads import PeriodicThread

# What a worker does when it starts: load the tasks, then announce itself.
WORKER = """
import django; django.setup()
from celery.signals import worker_init, worker_ready
from voiceops.celery import app
app.loader.import_default_modules()
import threading
worker_init.send(sender=None)
print(sorted(thread.name for thread in threading.enumerate()))
worker_ready.send(sender=None)
print(sorted(thread.name for thread in threading.enumerate()))
"""


@pytest.fixture(autouse=True)
def _no_connection() -> None:
    """A round looks after the connections of its thread, and here that is the tests' own."""
    connections.close_all()


def test_worker_starts_its_threads_and_waits_for_the_broker_with_delivery_only() -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings"}

    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    before_broker, with_broker = done.stdout.splitlines()
    threads = ["MainThread", "call-watch", "checkpoint", "counting", "disk-alarm"]
    threads += ["intake", "retention", "sweep"]
    assert before_broker == str(threads), done.stderr
    assert with_broker == str([*threads, "webhook-delivery"])


def test_thread_runs_again_after_an_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []

    def run_once() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise KeyError("a surprise")
        thread.stop()

    thread = PeriodicThread("test", run_once, interval_seconds=0.01)
    thread.run()

    assert rounds == [0, 1]
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [
        ("ERROR", True)
    ]


def test_lost_database_is_logged_once_and_again_after_it_came_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors: list[Exception | None] = [OperationalError("gone"), OperationalError("gone"), None]
    errors += [OperationalError("gone again")]

    def run_once() -> None:
        error = errors.pop(0)
        if not errors:
            thread.stop()
        if error is not None:
            raise error

    thread = PeriodicThread("test", run_once, interval_seconds=0.01)
    with caplog.at_level(logging.WARNING):
        thread.run()

    assert errors == []
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [
        ("WARNING", None),
        ("WARNING", None),
    ]


def test_first_round_waits_for_the_first_delay_and_wake_ends_the_wait() -> None:
    ran = threading.Event()
    thread = PeriodicThread("test", ran.set, interval_seconds=60, first_delay_seconds=60)
    thread.start()

    assert not ran.wait(0.05)
    thread.wake()
    assert ran.wait(5)

    thread.stop()
    thread.join(5)
    assert not thread.is_alive()
