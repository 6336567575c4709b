"""Recipients in review: their phone may have rung, so an operator decides whether to call again."""

from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from batches.domain.batch_transitions import RESTART
from batches.domain.recipient_transitions import CLOSE, RELEASE, RELEASE_FIRST
from batches.models import Batch, Recipient
from batches.services.batches import HAS_ENDED, require_agent_and_number
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids
from voiceops.core.transitions import Transition

NOT_IN_REVIEW = "Recipient is not in review"


def release_recipient(
    *, recipient: Recipient, reason: str, principal: Principal | None = None
) -> Recipient:
    """Put a recipient that was not reached back in the queue; restarts a completed batch.

    Raises StateForbids when it is not in review, the batch was stopped or has failed, or the
    batch's agent or number cannot be used.
    """
    now = database_now()
    with transaction.atomic():
        # Locked, so that the batch cannot complete between the release and its restart.
        batch = Batch.unscoped.select_for_update().get(pk=recipient.batch_id)
        if batch.status in (Batch.Status.STOPPED, Batch.Status.FAILED):
            raise StateForbids(HAS_ENDED)
        release = RELEASE if recipient.attempts else RELEASE_FIRST
        _move(recipient, release, reason=reason, outcome=None, due_at=now)
        if batch.status == Batch.Status.COMPLETED:
            require_agent_and_number(batch, was_started=True)
            RESTART.apply(batch, ended_at=None)
            batch.save(update_fields=["status", "ended_at"])
        audit.record(
            "recipient.released", principal=principal, target=recipient, changes={"reason": reason}
        )
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)
    return recipient


def close_recipient(
    *, recipient: Recipient, reason: str, principal: Principal | None = None
) -> Recipient:
    """Let a recipient in review fail. Raises StateForbids when it is not in review."""
    with transaction.atomic():
        _move(recipient, CLOSE, reason=reason, due_at=None, unreported_at=database_now())
        audit.record(
            "recipient.closed", principal=principal, target=recipient, changes={"reason": reason}
        )
    return recipient


def _move(recipient: Recipient, transition: Transition[Recipient.Status], **changes: Any) -> None:
    """Compare and set, so that of two decisions at once one is refused. Raises StateForbids."""
    if not transition.move_all(Recipient.unscoped.filter(pk=recipient.pk), **changes):
        raise StateForbids(NOT_IN_REVIEW)
    recipient.refresh_from_db()
