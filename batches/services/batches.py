"""Moving a batch from state to state. Every move is one compare-and-set: of two at once, one wins,
one is refused.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.auth.principal import Principal
from agents.models import Agent
from batches.dialing.settlement import complete_batches
from batches.models import Batch, Recipient
from batches.services.hangup import hang_up_calls
from batches.services.uploads import delete_upload
from telephony.models import NumberPace, PhoneNumber
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids
from voiceops.core.isolation import run_isolated
from voiceops.core.statement_timeouts import disable_statement_timeout

Status = Batch.Status
HEALTHY: dict[str, Any] = {
    "error": None,
    "provider_failures": 0,
    "probe_at": None,
    "probe_call_id": None,
}
STILL_VALIDATING, HAS_ENDED = "Batch is still validating", "Batch has ended"


def start_batch(*, batch: Batch, principal: Principal | None = None) -> Batch:
    """Begin to call. Raises StateForbids unless it is ready (or scheduled) and its agent and number
    may be used.
    """
    refusals = {Status.RUNNING: "Batch is already running", Status.PAUSED: "Batch is paused"}
    began = batch.started_at is not None
    with transaction.atomic():
        _transition(
            batch,
            to=Status.RUNNING,
            since=Status.waiting(),
            refusals=refusals,
            started_at=Coalesce(F("started_at"), database_now()),
            **HEALTHY,
        )
        check_agent_and_number(batch, began=began)
        audit.record("batch.started", principal=principal, target=batch)
        start_dialing_or_complete(batch)
    return batch


def pause_batch(*, batch: Batch, principal: Principal | None = None) -> Batch:
    """No INVITE leaves from two seconds after on; calls that ring or talk go on. Raises
    StateForbids.

    A batch that has paused itself may be paused too: then it no longer probes, nor goes on by
    itself.
    """
    with transaction.atomic():
        paused = (
            Batch.unscoped.filter(pk=batch.pk, status=Status.PAUSED)
            .exclude(error=None)
            .update(**HEALTHY)
        )
        if paused:
            batch.refresh_from_db()
        else:
            _transition(
                batch,
                to=Status.PAUSED,
                since=(Status.RUNNING,),
                refusal="Batch is not running",
                **HEALTHY,
            )
        audit.record("batch.paused", principal=principal, target=batch)
    return batch


def resume_batch(*, batch: Batch, principal: Principal | None = None) -> Batch:
    """Go on calling. Raises StateForbids unless the batch is paused and its agent and number may be
    used.
    """
    began = batch.started_at is not None
    with transaction.atomic():
        schedule_probe_now(batch)
        now: dict[str, Any] = {"started_at": Coalesce(F("started_at"), database_now())}
        _transition(
            batch,
            to=Status.RUNNING,
            since=(Status.PAUSED,),
            refusal="Batch is not paused",
            **now,
            **HEALTHY,
        )
        check_agent_and_number(batch, began=began)
        audit.record("batch.resumed", principal=principal, target=batch)
        start_dialing_or_complete(batch)
    return batch


def stop_batch(
    *, batch: Batch, principal: Principal | None = None, hang_up_active: bool = False
) -> Batch:
    """Call nobody any more, for good; with `hang_up_active`, end the calls that ring or talk.

    Raises StateForbids while the list is read and when the batch has ended (a stopped one may be
    asked again to hang up), ProviderError when LiveKit did not end the calls.
    """
    if not (hang_up_active and batch.status == Status.STOPPED):
        with transaction.atomic():
            _transition(
                batch,
                to=Status.STOPPED,
                since=Status.stoppable(),
                ended_at=database_now(),
                **HEALTHY,
            )
            _cancel_held(batch)
            said = {"hang_up_active": hang_up_active}
            audit.record(
                "batch.stopped",
                principal=principal,
                target=batch,
                changes=said,
            )
    if hang_up_active:
        hang_up_calls(batch=batch)
    return batch


def delete_batch(*, batch: Batch, principal: Principal | None = None) -> None:
    """Forget the batch, its people and its lists; its calls stay. Raises StateForbids while it
    runs.
    """
    with transaction.atomic():
        state = (
            Batch.unscoped.select_for_update()
            .filter(pk=batch.pk)
            .values_list("status", flat=True)
            .first()
        )
        if state == Status.RUNNING:
            raise StateForbids("Batch is currently running")
        disable_statement_timeout()
        Batch.unscoped.filter(pk=batch.pk).delete()
        audit.record(
            "batch.deleted",
            principal=principal,
            target=batch,
            changes={"name": batch.name},
        )
    if batch.upload:
        delete_upload(batch.upload)


def after_import(batch_id: str | UUID) -> None:
    """The list has been read: hand the batch on to what it was ordered to do. In the transaction
    that ends the import.

    Appended rows join a batch as it is; one that had called everybody is ready again when somebody
    new has come.
    """
    batch = Batch.unscoped.filter(pk=batch_id, upload="").first()
    if batch is None:
        return
    if (
        batch.status == Status.COMPLETED
        and batch.recipients.filter(status__in=Recipient.Status.waiting()).exists()
    ):
        Batch.unscoped.filter(pk=batch.pk, status=Status.COMPLETED).update(
            status=Status.READY, ended_at=None
        )
    elif batch.status == Status.READY and batch.started_at is None:
        apply_start_mode(batch)
    elif batch.status == Status.RUNNING:
        start_dialing_or_complete(batch)
    elif batch.status == Status.STOPPED:
        _cancel_held(batch)


def apply_start_mode(batch: Batch) -> None:
    """Let a batch that waits do as `start` says: begin, wait for its time, or wait for somebody to
    start it.
    """
    waiting = Batch.unscoped.filter(pk=batch.pk, status__in=Status.waiting())
    if batch.start == Batch.Start.NOW:
        start_ordered(batch)
    else:
        waiting.update(
            status=Status.SCHEDULED if batch.start == Batch.Start.SCHEDULED else Status.READY
        )
    batch.refresh_from_db()


def start_due_batches(now: datetime) -> int:
    """Start what is due, and what the end of its import should have set going. Returns how many
    were started.
    """
    forgotten = Batch.unscoped.filter(status=Status.READY, started_at=None, upload="").exclude(
        start=Batch.Start.MANUAL
    )
    for batch in forgotten.order_by("pk"):
        run_isolated(apply_start_mode, batch)
    due = Batch.unscoped.filter(status=Status.SCHEDULED, scheduled_at__lte=now, upload="")
    return sum(
        bool(run_isolated(start_ordered, batch)) for batch in due.order_by("scheduled_at", "pk")
    )


def start_ordered(batch: Batch) -> bool:
    """Start as ordered beforehand. Nobody is there to read a refusal, so it stands on the batch,
    which pauses.
    """
    try:
        start_batch(batch=batch)
    except StateForbids as refusal:
        waiting = Batch.unscoped.filter(pk=batch.pk, status__in=Status.waiting())
        waiting.update(status=Status.PAUSED, error=f"The batch could not start: {refusal}.")
        return False
    return True


def schedule_probe_now(batch: Batch) -> None:
    """Whoever lets a batch on a number in trouble go on has mended something. Locks the number,
    before any batch.
    """
    NumberPace.unscoped.filter(number=batch.phone_number_id).exclude(trouble=None).update(
        probe_at=database_now()
    )


def check_agent_and_number(batch: Batch, *, began: bool) -> None:
    """Raises StateForbids when the batch's agent is gone, or the number it calls from is gone or
    not in use.

    `began`: it had been started before, and so keeps the agent and the number it began with. Inside
    the transaction that lets the batch run.
    """

    def way_out(field: str) -> str:
        return "upload who is left as a new batch" if began else f"give the batch another ({field})"

    # Locked, or it could be deleted between this look and the commit: that looks for batches which
    # run by then.
    agent = Agent.unscoped.select_for_update(no_key=True).get(pk=batch.agent_id)
    if agent.deleted_at is not None:
        raise StateForbids(f"The batch's agent was deleted: {way_out('agent_id')}")
    number = batch.phone_number
    if number is None:
        raise StateForbids(f"The batch's phone number was deleted: {way_out('phone_number_id')}")
    if number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")


def refusal_for(status: str) -> str:
    """Why a batch in this state takes no orders."""
    return STILL_VALIDATING if status == Status.VALIDATING else HAS_ENDED


def _cancel_held(batch: Batch) -> None:
    held = batch.recipients.filter(status__in=Recipient.Status.waiting())
    held.update(status=Recipient.Status.CANCELLED, reason="batch_stopped", due_at=None)


def start_dialing_or_complete(batch: Batch) -> None:
    """People may be called now; where there is nobody to call, the batch is complete."""
    if complete_batches({batch.pk}):
        batch.refresh_from_db()
    else:
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)


def _transition(
    batch: Batch,
    *,
    to: str,
    since: Iterable[str],
    refusal: str | None = None,
    refusals: dict[Any, str] | None = None,
    **changes: Any,
) -> Batch:
    """Compare and set. Raises StateForbids for whoever comes second, in the words fit for the state
    found.
    """
    moved = Batch.unscoped.filter(pk=batch.pk, status__in=since).update(status=to, **changes)
    batch.refresh_from_db()
    if not moved:
        raise StateForbids(
            (refusals or {}).get(batch.status) or refusal or refusal_for(batch.status)
        )
    return batch
