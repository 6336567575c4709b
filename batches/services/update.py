"""Changing a batch's settings: pace, window, schedule and retries at any time, the rest while it
waits.
"""

from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents.services import published_version
from batches.models import Batch
from batches.services.batches import (
    HAS_ENDED,
    STILL_VALIDATING,
    apply_start_mode,
)
from batches.services.column_variables import rename_variables, validate_variables
from telephony.models import PhoneNumber
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import Invalid, StateForbids
from voiceops.core.statement_timeouts import disable_statement_timeout

Status = Batch.Status
SCHEDULE = {"start", "scheduled_at"}
ONLY_BEFORE = {
    "agent": "agent_id",
    "phone_number": "phone_number_id",
}  # a batch runs one agent from one number
OF_THE_LIST = {
    "agent",
    "column_mapping",
    "default_country",
    "on_duplicate",
}  # matter while a list is read
MEANING = {
    "agent",
    "column_mapping",
}  # decide what the columns are called in a prompt, and which of them it needs


def update_batch(
    *, batch: Batch, changes: dict[str, Any], principal: Principal | None = None
) -> Batch:
    """Write `changes` (fields of the batch) and let them take effect at once.

    Raises StateForbids for what the batch's state does not allow, Invalid for a schedule without a
    time and for a mapping that does not fit the list.
    """
    with transaction.atomic():
        batch = (
            Batch.unscoped.select_for_update(of=("self",))
            .select_related("workspace")
            .get(pk=batch.pk)
        )
        changes = {name: value for name, value in changes.items() if getattr(batch, name) != value}
        if changes.get("column_mapping") == batch.known_mapping:
            changes.pop("column_mapping", None)  # the guess, sent back as it was shown
        if not changes:
            return batch
        _check(batch, set(changes))
        before = {name: getattr(batch, name) for name in changes}
        for name, value in changes.items():
            setattr(batch, name, value)
        batch.save(update_fields=[*changes, *_follow(batch, before)])
        if before.keys() & MEANING:
            validate_variables(batch)
        said = {
            name: {"from": _plain(before[name]), "to": _plain(value)}
            for name, value in changes.items()
        }
        audit.record(
            "batch.updated",
            principal=principal,
            target=batch,
            changes=said,
        )
        if changes.keys() & SCHEDULE and batch.status in Status.waiting():
            apply_start_mode(batch)
    return batch


def requeue_workspace(workspace: Workspace) -> None:
    """Make recipients due who wait for calling hours or a gap that the workspace has changed.

    Those whom the new ones do not allow yet are put off again at the next claim.
    """
    disable_statement_timeout()
    unfinished = (Status.READY, Status.SCHEDULED, Status.RUNNING, Status.PAUSED)
    recipients = workspace.recipients.filter(batch__status__in=unfinished)
    recipients.requeue_waiting(database_now())
    task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)


def _check(batch: Batch, names: set[str]) -> None:
    if batch.status in Status.final() and names != {"name"}:
        raise StateForbids(HAS_ENDED)
    if batch.upload and names & OF_THE_LIST:
        raise StateForbids(STILL_VALIDATING)
    if batch.started_at and (
        late := sorted(ONLY_BEFORE[name] for name in names & ONLY_BEFORE.keys())
    ):
        raise StateForbids(f"Batch has started: {', '.join(late)} cannot be changed any more")


def _follow(batch: Batch, before: dict[str, Any]) -> list[str]:
    """What else changes with the fields that were different `before`; the names of the fields it
    set on the batch.
    """
    if batch.start == Batch.Start.SCHEDULED and batch.scheduled_at is None:
        raise Invalid("A scheduled start needs scheduled_at")
    if (
        "phone_number" in before
        and batch.phone_number
        and batch.phone_number.status != PhoneNumber.Status.ACTIVE
    ):
        raise StateForbids("Phone number is not active")
    also: list[str] = []
    if "calling_window" in before:
        batch.recipients.all().requeue_waiting(database_now())
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)
    if "calls_per_second" in before:
        batch.next_slot_at = None
        also.append("next_slot_at")
    if "agent" in before:
        batch.agent_version = published_version(batch.agent)
        also.append("agent_version")
    if before.keys() & MEANING:
        rename_variables(batch, mapping_before=before.get("column_mapping", batch.column_mapping))
        also.append("variable_names")
    return also


def _plain(value: Any) -> Any:
    """A value as the audit log keeps it."""
    if hasattr(value, "pk"):
        return str(value.pk)
    return value.isoformat() if hasattr(value, "isoformat") else value
