"""Every Celery task. Each takes ids and makes one call; its work can be found again in rows by the
sweep.

Celery imports this module in every worker. Importing the periodic threads connects them to the
worker's signals. The wire names belong to the installed base: a running worker of the release
before must understand them.
"""

from celery import shared_task

from batches.services import imports
from batches.services.opt_outs import suppress_opt_outs
from voiceops.core import task_queue
from worker import dispatcher, sweep
from worker.periodic import retention, sweeping, webhook_delivery

__all__ = [
    "import_batch",
    "retention",
    "run_dispatcher_task",
    "run_sweep",
    "suppress_opt_outs_task",
    "sweeping",
    "webhook_delivery",
]


@shared_task(name=task_queue.RUN_DISPATCHER)
def run_dispatcher_task() -> None:
    if dispatcher.run_dispatcher() and dispatcher.work_is_left():
        task_queue.enqueue(task_queue.RUN_DISPATCHER)


@shared_task(name=task_queue.IMPORT_BATCH)
def import_batch(batch_id: str) -> None:
    imports.import_batch(batch_id)


@shared_task(name=task_queue.RUN_SWEEP)
def run_sweep() -> None:
    sweep.sweep()


@shared_task(name=task_queue.SUPPRESS_OPT_OUTS)
def suppress_opt_outs_task() -> None:
    suppress_opt_outs()
