"""Every Celery task. Each takes ids and makes one call; its work can be found again in rows by the sweep.

Celery imports this module in every worker. Importing the periodic threads connects them to the worker's signals.
The wire names belong to the installed base: a running worker of the release before must understand them.
"""

from celery import shared_task

from batches.importing.import_job import import_batch as store_upload
from batches.services.batches import after_import
from batches.services.opt_outs import suppress_opt_outs
from voiceops.core import task_queue
from worker import dispatcher, sweep
from worker.periodic import retention, sweeping, webhook_delivery

__all__ = ["import_batch", "note_opt_outs", "retention", "run_shift", "run_sweep", "sweeping", "webhook_delivery"]


@shared_task(name=task_queue.DIAL)
def run_shift() -> None:
    if dispatcher.run_shift() and dispatcher.work_is_left():
        task_queue.ring_now(task_queue.DIAL)


@shared_task(name=task_queue.IMPORT)
def import_batch(batch_id: str) -> None:
    store_upload(batch_id, then=after_import)


@shared_task(name=task_queue.SWEEP)
def run_sweep() -> None:
    sweep.sweep()


@shared_task(name=task_queue.OPT_OUT)
def note_opt_outs() -> None:
    suppress_opt_outs()
