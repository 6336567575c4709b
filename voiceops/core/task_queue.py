"""A message is only a doorbell: every job can be derived from rows, and a sweep rings again for
what is overdue.

So a broker that is down costs seconds, never work. Callers name the job, not the function: the apps
that ring lie below the ones that answer.
"""

import logging
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

RUN_DISPATCHER = "batches.tasks.run_shift"
IMPORT_BATCH = "batches.tasks.import_batch"
RUN_SWEEP = "batches.tasks.run_sweep"
SUPPRESS_OPT_OUTS = "batches.tasks.note_opt_outs"


def enqueue_on_commit(job: str, **arguments: Any) -> None:
    """Ring for `job` once the surrounding transaction has committed. Never raises: the sweep is the
    safety net.
    """
    transaction.on_commit(partial(enqueue, job, **arguments))


def enqueue(job: str, **arguments: Any) -> bool:
    """Ring at once; False when the broker could not be reached."""
    try:
        current_app.send_task(job, kwargs=arguments, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning(
            "The broker cannot be reached, the sweep will find the work: %s (%s)",
            job,
            type(error).__name__,
        )
        return False
    return True
