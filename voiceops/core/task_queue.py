"""Wake a Celery worker for work that is recorded in rows.

Every job can be derived from rows, and the periodic sweep enqueues what is overdue. A broker that
is down therefore costs seconds, never work. Callers name a job instead of importing its task,
because the worker's tasks lie above all the apps that enqueue them.
"""

import logging
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

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
    try:
        # A retry would hold the request; the sweep finds the work anyway.
        current_app.send_task(job, kwargs=arguments, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning(
            "The broker cannot be reached; the sweep will pick up the work: %s (%s)",
            job,
            type(error).__name__,
        )
        return False
    return True
