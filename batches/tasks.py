"""Celery's doors: each takes ids, and makes one call. What they do can be derived from rows, and the sweep does so.

Celery finds this module in every worker; importing the heart lets it hear that the worker is ready.
"""

from celery import shared_task

from batches import heart, shift, sweep
from batches.importing.store import import_batch as store_upload
from batches.services.batches import after_import
from batches.suppressions.opt_outs import suppress_opt_outs
from voiceops import doorbell

__all__ = ["heart", "import_batch", "note_opt_outs", "run_shift", "run_sweep"]


@shared_task(name=doorbell.DIAL)
def run_shift() -> None:
    if shift.run_shift() and shift.work_is_left():
        doorbell.ring_now(doorbell.DIAL)


@shared_task(name=doorbell.IMPORT)
def import_batch(batch_id: str) -> None:
    store_upload(batch_id, then=after_import)


@shared_task(name=doorbell.SWEEP)
def run_sweep() -> None:
    sweep.sweep()


@shared_task(name=doorbell.OPT_OUT)
def note_opt_outs() -> None:
    suppress_opt_outs()
