"""Orders on a batch: start, pause, resume, stop, delete.

Each is one compare-and-set along a transition: of two at once, one wins and the other is refused.
"""

import time
from collections import deque
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.auth.principal import Principal
from agents.models import Agent
from batches.dialing.batch_budgets import cost_of_batch
from batches.dialing.settlement import complete_batches
from batches.domain import batch_transitions as transitions
from batches.domain.batch_transitions import CLEAR_TROUBLE
from batches.domain.recipient_transitions import CANCEL_WAITING
from batches.models import Batch, Recipient
from batches.services.hangup import hang_up_calls
from batches.services.uploads import delete_upload
from telephony.models import NumberPace, PhoneNumber
from telephony.services.metadata_checks import require_version_fits
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids
from voiceops.core.isolation import run_isolated
from voiceops.core.prices import limit_micros
from voiceops.core.statement_timeouts import disable_statement_timeout
from voiceops.core.transitions import Transition
from voiceops.db.bulk_turn import bulk_transaction

Status = Batch.Status
STILL_VALIDATING = "Batch is still validating"
HAS_ENDED = "Batch has ended"
# A million recipients take minutes to cancel. Whoever is called meanwhile, from this list or
# another, waits for one chunk at most, and the request for a few.
CANCEL_CHUNK_ROWS = 5_000
CANCEL_SECONDS = 2.0
# For so long after a stop the worker looks for recipients that the request has left.
CANCEL_WINDOW = timedelta(days=7)


def start_batch(*, batch: Batch, principal: Principal | None = None) -> Batch:
    """Start to call the batch's recipients.

    Raises StateForbids unless the batch is ready or scheduled, its agent and number can be used,
    and something of its budget is left.
    """
    refusals = {Status.RUNNING: "Batch is already running", Status.PAUSED: "Batch is paused"}
    was_started = batch.started_at is not None
    with transaction.atomic():
        _move(batch, transitions.START, refusals=refusals, **_first_start(), **CLEAR_TROUBLE)
        require_agent_and_number(batch, was_started=was_started)
        require_version_fits(batch.agent_version)
        require_budget(batch)
        audit.record("batch.started", principal=principal, target=batch)
        dial_or_complete(batch)
    return batch


def pause_batch(*, batch: Batch, principal: Principal | None = None) -> Batch:
    """Stop dialing: from two seconds later no INVITE leaves (docs/reference/api-contract.md §7).

    Calls that ring or talk go on. A batch that has paused itself may be paused too: then it no
    longer probes or resumes by itself.
    Raises StateForbids unless the batch is running or has paused itself.
    """
    with transaction.atomic():
        paused_itself = Batch.unscoped.filter(pk=batch.pk).exclude(error=None)
        if transitions.STOP_PROBING.move_all(paused_itself, **CLEAR_TROUBLE):
            batch.refresh_from_db()
        else:
            _move(batch, transitions.PAUSE, refusal="Batch is not running", **CLEAR_TROUBLE)
        audit.record("batch.paused", principal=principal, target=batch)
    return batch


def resume_batch(*, batch: Batch, principal: Principal | None = None) -> Batch:
    """Resume dialing.

    Raises StateForbids unless the batch is paused, its agent and number can be used, and something
    of its budget is left.
    """
    was_started = batch.started_at is not None
    with transaction.atomic():
        # The number's row before the batch's, as everywhere.
        schedule_probe_now(batch)
        changes = {**_first_start(), **CLEAR_TROUBLE}
        _move(batch, transitions.RESUME, refusal="Batch is not paused", **changes)
        require_agent_and_number(batch, was_started=was_started)
        require_budget(batch)
        audit.record("batch.resumed", principal=principal, target=batch)
        dial_or_complete(batch)
    return batch


def stop_batch(
    *, batch: Batch, principal: Principal | None = None, hang_up_active: bool = False
) -> Batch:
    """Stop dialing for good; with `hang_up_active`, also end the calls that ring or talk.

    The waiting recipients are cancelled afterwards, those of a very long list by the worker.
    Raises StateForbids while the list is read and when the batch has ended, though a stopped batch
    may be asked again to hang up; ProviderError when LiveKit did not end the calls.
    """
    # A stopped batch is asked again for calls that LiveKit did not end the first time.
    if not (hang_up_active and batch.status == Status.STOPPED):
        with transaction.atomic():
            _move(batch, transitions.STOP, ended_at=database_now(), **CLEAR_TROUBLE)
            changes = {"hang_up_active": hang_up_active}
            audit.record("batch.stopped", principal=principal, target=batch, changes=changes)
        # Committed first: the stop holds at once, and nobody waits for the batch's row meanwhile.
        cancel_waiting(batch)
    if hang_up_active:
        hang_up_calls(batch=batch)
    return batch


def delete_batch(*, batch: Batch, principal: Principal | None = None) -> None:
    """Delete the batch, its recipients and its lists; its calls stay.

    Raises StateForbids while it is running.
    """
    with transaction.atomic():
        locked = Batch.unscoped.select_for_update().filter(pk=batch.pk)
        if locked.values_list("status", flat=True).first() == Status.RUNNING:
            raise StateForbids("Batch is currently running")
        # A million recipients take longer to delete than a statement may.
        disable_statement_timeout()
        Batch.unscoped.filter(pk=batch.pk).delete()
        changes = {"name": batch.name}
        audit.record("batch.deleted", principal=principal, target=batch, changes=changes)
    if batch.upload:
        delete_upload(batch.upload)


def cancel_waiting(batch: Batch) -> None:
    """Cancel recipients of a stopped batch that still wait for a call, for `CANCEL_SECONDS`.

    Chunk by chunk, each in a transaction of its own; the worker goes on with what is left.
    """
    ends_at = time.monotonic() + CANCEL_SECONDS
    while _cancel_chunk(batch) == CANCEL_CHUNK_ROWS and time.monotonic() < ends_at:
        pass


def _cancel_chunk(batch: Batch) -> int:
    """Cancel a chunk of them; returns how many were found waiting."""
    # In the order of their index, which they leave.
    waiting = batch.recipients.filter(due_at__isnull=False).order_by("due_at", "row_number")
    with bulk_transaction():
        ids = list(waiting.values_list("pk", flat=True)[:CANCEL_CHUNK_ROWS])
        CANCEL_WAITING.move_all(
            Recipient.unscoped.filter(pk__in=ids),
            reason="batch_stopped",
            due_at=None,
            unreported_at=database_now(),
        )
    return len(ids)


def cancel_rest_of_stopped() -> None:
    """Go on cancelling in batches that were stopped lately and have recipients that wait."""
    waiting = Recipient.unscoped.filter(batch=OuterRef("pk"), due_at__isnull=False)
    stopped = Batch.unscoped.filter(
        status=Status.STOPPED, ended_at__gt=database_now() - CANCEL_WINDOW
    )
    left = deque(stopped.filter(Exists(waiting)).order_by("pk"))
    ends_at = time.monotonic() + CANCEL_SECONDS
    # In turn, and for no longer than one of them: what else the worker looks after must not wait.
    while left:
        batch = left.popleft()
        if run_isolated(_cancel_chunk, batch) == CANCEL_CHUNK_ROWS:
            left.append(batch)
        if time.monotonic() >= ends_at:
            return


def schedule_probe_now(batch: Batch) -> None:
    """Let a number in trouble probe at once: an operator who resumes a batch has fixed something.

    Locks the number's row, so call this before locking a batch.
    """
    paces = NumberPace.unscoped.filter(number=batch.phone_number_id).exclude(trouble=None)
    paces.update(probe_at=database_now())


def require_agent_and_number(batch: Batch, *, was_started: bool) -> None:
    """Check that the batch's agent and number can be used, inside the transaction that starts it.

    A batch that was started before keeps its agent and number, so the refusal suggests another way
    out. Raises StateForbids when the agent was deleted, or the number was deleted or is not active.
    """

    def way_out(field: str) -> str:
        if was_started:
            return "upload the remaining recipients as a new batch"
        return f"give the batch another one ({field})"

    # Locked, because a deletion of the agent looks for running batches: one of the two must wait.
    agent = Agent.unscoped.select_for_update(no_key=True).get(pk=batch.agent_id)
    if agent.deleted_at is not None:
        raise StateForbids(f"The batch's agent was deleted: {way_out('agent_id')}")
    number = batch.phone_number
    if number is None:
        raise StateForbids(f"The batch's phone number was deleted: {way_out('phone_number_id')}")
    if number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")


def require_budget(batch: Batch) -> None:
    """Check that the batch may still spend something.

    Raises StateForbids when its calls have cost as much as its budget.
    """
    limit = limit_micros(batch.max_cost)
    if limit is not None and cost_of_batch(batch) >= limit:
        raise StateForbids("The batch has spent its budget")


def resume_within_budget(batch: Batch) -> None:
    """Resume a batch that had paused itself at its budget, if the budget has been raised.

    Raises StateForbids when its agent or number cannot be used any more.
    """
    limit = limit_micros(batch.max_cost)
    is_spent = limit is not None and cost_of_batch(batch) >= limit
    if batch.budget_spent_at is None or is_spent:
        return
    if transitions.RESUME.move_all(Batch.unscoped.filter(pk=batch.pk), **CLEAR_TROUBLE):
        batch.refresh_from_db()
        require_agent_and_number(batch, was_started=True)
        dial_or_complete(batch)


def dial_or_complete(batch: Batch) -> None:
    """Start a dispatcher for a batch that has just become running; complete it if none is left."""
    if complete_batches({batch.pk}):
        batch.refresh_from_db()
    else:
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)


def _first_start() -> dict[str, Any]:
    # The first start counts, also for a batch that has completed since.
    return {"started_at": Coalesce(F("started_at"), database_now())}


def _move(
    batch: Batch,
    transition: Transition[Batch.Status],
    *,
    refusal: str | None = None,
    refusals: dict[Any, str] | None = None,
    **changes: Any,
) -> None:
    """Compare and set. Raises StateForbids with the refusal for the state that was found: one of
    `refusals`, else `refusal`, else why such a batch accepts no orders.
    """
    moved = transition.move_all(Batch.unscoped.filter(pk=batch.pk), **changes)
    batch.refresh_from_db()
    if not moved:
        fallback = STILL_VALIDATING if batch.status == Status.VALIDATING else HAS_ENDED
        raise StateForbids((refusals or {}).get(batch.status) or refusal or fallback)
