"""What a batch does by itself: once its list has been imported, or at its scheduled time."""

from datetime import datetime
from uuid import UUID

from batches.domain import batch_transitions as transitions
from batches.models import Batch, Recipient
from batches.services.batches import dial_or_complete, start_batch
from voiceops.core.errors import StateForbids
from voiceops.core.isolation import run_isolated

Status = Batch.Status


def after_import(batch_id: str | UUID) -> None:
    """Continue with a batch whose list has been read, in the transaction that ends the import.

    A new batch does what its `start` orders. Appended recipients join a batch as it is; a completed
    one becomes ready again if any of them can be called. Those of a list that was stopped while it
    was read are cancelled by the sweep.
    """
    batch = Batch.unscoped.filter(pk=batch_id, upload="").first()
    if batch is None:
        return
    if batch.status == Status.COMPLETED:
        # Rows that were all rejected or skipped leave the batch completed.
        if batch.recipients.filter(status__in=Recipient.Status.waiting()).exists():
            transitions.REOPEN.move_all(Batch.unscoped.filter(pk=batch.pk), ended_at=None)
    elif batch.status == Status.READY and batch.started_at is None:
        apply_start_mode(batch)
    elif batch.status == Status.RUNNING:
        dial_or_complete(batch)


def apply_start_mode(batch: Batch) -> None:
    """Do with a waiting batch what its `start` orders: start it, schedule it, or leave it ready."""
    this_batch = Batch.unscoped.filter(pk=batch.pk)
    if batch.start == Batch.Start.NOW:
        start_or_pause(batch)
    elif batch.start == Batch.Start.SCHEDULED:
        transitions.SCHEDULE.move_all(this_batch)
    else:
        transitions.WAIT_FOR_ORDER.move_all(this_batch)
    batch.refresh_from_db()


def start_due_batches(now: datetime) -> int:
    """Start scheduled batches whose time has come; returns how many were started.

    Also does what the end of an import should have done, had its process not died.
    """
    ready = Batch.unscoped.filter(status=Status.READY, started_at=None, upload="")
    for batch in ready.exclude(start=Batch.Start.MANUAL).order_by("pk"):
        run_isolated(apply_start_mode, batch)
    due = Batch.unscoped.filter(status=Status.SCHEDULED, scheduled_at__lte=now, upload="")
    return sum(
        bool(run_isolated(start_or_pause, batch)) for batch in due.order_by("scheduled_at", "pk")
    )


def start_or_pause(batch: Batch) -> bool:
    """Start a batch without an operator; returns whether it was started.

    No client waits for the refusal, so a batch that may not start pauses with it as its `error`.
    """
    try:
        start_batch(batch=batch)
    except StateForbids as refusal:
        error = f"The batch could not start: {refusal}."
        transitions.REFUSE_START.move_all(Batch.unscoped.filter(pk=batch.pk), error=error)
        return False
    return True
