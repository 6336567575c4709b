"""People whose phone may or may not have rung: never redialled by themselves, a person decides."""

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from batches.models import Batch, Recipient
from batches.services.batches import HAS_ENDED, check_agent_and_number
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids

NOT_IN_REVIEW = "Recipient is not in review"
Status = Recipient.Status


def release_recipient(
    *, recipient: Recipient, reason: str, principal: Principal | None = None
) -> Recipient:
    """Offer somebody in review for a call again: they were not reached. Wakes a completed batch.

    Raises StateForbids when they are not in review, the batch was stopped or has failed, or its
    agent or number may not be used.
    """
    now = database_now()
    with transaction.atomic():
        batch = Batch.unscoped.select_for_update().get(pk=recipient.batch_id)
        if batch.status in (Batch.Status.STOPPED, Batch.Status.FAILED):
            raise StateForbids(HAS_ENDED)
        status = Status.RETRYING if recipient.attempts else Status.PENDING
        _decide(recipient, status=status, reason=reason, outcome=None, due_at=now)
        if batch.status == Batch.Status.COMPLETED:
            check_agent_and_number(batch, began=True)
            batch.status, batch.ended_at = Batch.Status.RUNNING, None
            batch.save(update_fields=["status", "ended_at"])
        audit.record(
            "recipient.released", principal=principal, target=recipient, changes={"reason": reason}
        )
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)
    return recipient


def close_recipient(
    *, recipient: Recipient, reason: str, principal: Principal | None = None
) -> Recipient:
    """Give somebody in review up for this batch. Raises StateForbids when they are not in review."""
    with transaction.atomic():
        _decide(recipient, status=Status.FAILED, reason=reason, due_at=None)
        audit.record(
            "recipient.closed", principal=principal, target=recipient, changes={"reason": reason}
        )
    return recipient


def _decide(recipient: Recipient, **changes: object) -> None:
    """Compare and set: of two decisions at once, one is refused."""
    if not Recipient.unscoped.filter(pk=recipient.pk, status=Status.REVIEW).update(**changes):
        raise StateForbids(NOT_IN_REVIEW)
    recipient.refresh_from_db()
