"""Wake a Celery worker for work that is recorded in rows.

Every job can be derived from rows, and the periodic sweep enqueues what is overdue. A broker that
is down therefore costs seconds, never work. Callers name a job instead of importing its task,
because the worker's tasks lie above all the apps that enqueue them.

A message without arguments only says that there is work. In a web process a thread sends those, and
many of the same moment as one, so that no request waits for the broker.
"""

import logging
import threading
import time
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)
WAKE_UP_SECONDS = 0.05  # between two messages that say the same

# Wire names, which outlive the modules they were named after: a message may be read by a worker of
# the release before or after the one that sent it, so none of these may ever change.
RUN_DISPATCHER = "batches.tasks.run_shift"
IMPORT_BATCH = "batches.tasks.import_batch"
RUN_SWEEP = "batches.tasks.run_sweep"
IMPORT_SUPPRESSIONS = "batches.tasks.import_suppressions"
RUN_REHEARSALS = "worker.tasks.run_rehearsals"
SEND_REPORTS = "worker.tasks.send_reports"
SUPPRESS_OPT_OUTS = "batches.tasks.note_opt_outs"


def enqueue_on_commit(job: str, **arguments: Any) -> None:
    """Enqueue `job` once the surrounding transaction has committed. Never raises."""
    transaction.on_commit(partial(enqueue, job, **arguments))


def enqueue(job: str, **arguments: Any) -> bool:
    """Enqueue `job` now. Returns False when the broker cannot be reached; never raises."""
    if _sender is not None and not arguments:
        _sender.add(job)
        return True
    return _send(job, arguments)


def prepare_to_send() -> None:
    """Import what sending a message needs. Call it before a fork: then all processes share it."""
    # Celery imports these when they are first asked for.
    current_app.amqp.router  # noqa: B018
    current_app.events.Dispatcher  # noqa: B018
    current_app.backend  # noqa: B018


def send_from_a_thread() -> None:
    """Send messages without arguments from a thread of this process. Call it after a fork."""
    global _sender
    _sender = _Sender()


class _Sender:
    """A thread that sends each job once, however often it was added in the meantime."""

    def __init__(self) -> None:
        self._jobs: set[str] = set()
        self._lock = threading.Lock()
        self._is_awaited = threading.Event()
        threading.Thread(target=self._send_forever, name="wake-ups", daemon=True).start()

    def add(self, job: str) -> None:
        with self._lock:
            self._jobs.add(job)
        self._is_awaited.set()

    def _send_forever(self) -> None:
        while self._is_awaited.wait():
            self._is_awaited.clear()
            with self._lock:
                jobs, self._jobs = self._jobs, set()
            for job in jobs:
                try:
                    _send(job, {})
                except Exception:  # a thread that ends at the first surprise is missed only later
                    logger.exception("A wake-up could not be sent: %s", job)
            time.sleep(WAKE_UP_SECONDS)


_sender: _Sender | None = None


def _send(job: str, arguments: dict[str, Any]) -> bool:
    try:
        # A retry would hold the sender; the sweep finds the work anyway.
        current_app.send_task(job, kwargs=arguments, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning(
            "The broker cannot be reached; the sweep will pick up the work: %s (%s)",
            job,
            type(error).__name__,
        )
        return False
    return True
