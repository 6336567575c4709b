"""Reading a batch's uploaded list, from the lease to what the batch does next."""

import logging
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from batches.importing.import_job import ImportJob
from batches.importing.lease import LostLeaseError
from batches.importing.source import UnreadableUpload
from batches.models import Batch
from batches.services.automatic_start import after_import
from batches.services.uploads import delete_upload
from voiceops.core.isolation import run_isolated

logger = logging.getLogger(__name__)
IMPORT_RETRY_INTERVAL = timedelta(minutes=2)
IMPORT_TROUBLE = "The list could not be read because of an internal error. It is tried again."


def import_batch(batch_id: UUID | str) -> None:
    """Read the batch's uploaded list into rows, continuing where an earlier import stopped.

    Does nothing when there is no list or another process is reading it.
    """
    job = ImportJob.claim(UUID(str(batch_id)))
    if job is None:
        return
    if not run_isolated(_run_import, job):
        run_isolated(_set_aside, job)


def _run_import(job: ImportJob) -> bool:
    """Read the list to its end; returns True also where another process goes on with it."""
    try:
        error = _store_rows(job)
        _end_import(job, error)
    except (LostLeaseError, IntegrityError):
        # Nothing to undo: what was not committed belongs to the process with the lease.
        logger.warning("Import of batch %s stopped: another process holds its lease", job.batch.pk)
    return True


def _set_aside(job: ImportJob) -> None:
    """After an unexpected error: keep the lease for a while, so that other lists come first, and
    report it on the batch.
    """
    try:
        job.lease.postpone(IMPORT_RETRY_INTERVAL)
    except LostLeaseError:
        return
    unread = Batch.unscoped.filter(pk=job.batch.pk, status=Batch.Status.VALIDATING)
    unread.update(error=IMPORT_TROUBLE)


def _store_rows(job: ImportJob) -> str | None:
    """Store the list's rows. Returns why the list cannot be used, None when it was stored."""
    try:
        job.store_rows()
    except FileNotFoundError:
        return "The uploaded file is gone: upload it again."
    except UnreadableUpload as error:
        return str(error)
    return None


def _end_import(job: ImportJob, error: str | None) -> None:
    # One transaction: a process killed before its commit has not ended the import, and the sweep
    # starts it again.
    with transaction.atomic():
        if error is None:
            job.finish()
        else:
            job.fail(error)
        Batch.unscoped.filter(pk=job.batch.pk, error=IMPORT_TROUBLE).update(error=None)
        after_import(job.batch.pk)
    delete_upload(job.batch.upload)
