"""Change a batch's settings: pace, window, schedule and retries at any time, the rest before it
starts.
"""

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, UUIDField

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents.services import published_version
from batches.domain.recipient_transitions import REQUEUE, REQUEUE_FIRST
from batches.models import Batch, Recipient
from batches.services.automatic_start import apply_start_mode
from batches.services.batches import HAS_ENDED, STILL_VALIDATING, resume_within_budget
from batches.services.column_variables import rename_variables, validate_variables
from telephony.models import PhoneNumber
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import Invalid, StateForbids
from voiceops.core.statement_timeouts import disable_statement_timeout
from voiceops.db.compiled_query import CompiledQuery

Status = Batch.Status
SCHEDULE_FIELDS = {"start", "scheduled_at"}
# A batch runs one agent from one number. Here with their names in the API.
FIXED_AT_START = {"agent": "agent_id", "phone_number": "phone_number_id"}
# Used while a list is read.
IMPORT_FIELDS = {"agent", "column_mapping", "default_country", "on_duplicate", "hidden_rows"}
# Decide what the columns are called in a prompt, and which of them it needs.
VARIABLE_FIELDS = {"agent", "column_mapping"}

LOCKED_BATCH = CompiledQuery(
    lambda pk: (
        Batch.unscoped.select_for_update(of=("self",))
        .select_related("workspace", "phone_number")
        .filter(pk=pk)
    ),
    pk=UUIDField(),
)


def update_batch(
    *, batch: Batch, changes: dict[str, Any], principal: Principal | None = None
) -> Batch:
    """Write `changes` (fields of the batch) and apply them at once.

    Raises StateForbids for what the batch's state does not allow, Invalid for a scheduled start
    without a time and for a mapping that does not fit the list.
    """
    with transaction.atomic():
        # Locked, so that no order changes its state between the check and the write.
        locked = LOCKED_BATCH.first(pk=batch.pk)
        if locked is None:
            raise Batch.DoesNotExist
        batch = locked
        changes = _real_changes(batch, changes)
        if not changes:
            return batch
        _require_changeable(batch, set(changes))
        before = {name: getattr(batch, name) for name in changes}
        for name, value in changes.items():
            setattr(batch, name, value)
        batch.save(update_fields=[*changes, *_apply_consequences(batch, before)])
        if before.keys() & VARIABLE_FIELDS:
            validate_variables(batch)
        _audit_update(batch, before, principal)
        if "max_cost" in changes:
            resume_within_budget(batch)
        if changes.keys() & SCHEDULE_FIELDS and batch.status in Status.waiting():
            apply_start_mode(batch)
    return batch


def requeue_workspace(workspace: Workspace) -> None:
    """Make recipients due that wait for calling hours or a gap that the workspace has changed.

    Those that the new ones do not allow yet are deferred again at the next claim.
    """
    disable_statement_timeout()
    recipients = Recipient.unscoped.filter(
        workspace=workspace, batch__status__in=Status.stoppable()
    )
    requeue_postponed(recipients)


def requeue_postponed(recipients: QuerySet[Recipient]) -> None:
    """Make recipients due whose call was postponed or skipped by a rule that has changed.

    Recipients that wait for a retry keep their time.
    """
    now = database_now()
    postponed = Q(status=Recipient.Status.PENDING) | Q(
        status=Recipient.Status.RETRYING, reason__in=("window_closed", "min_gap")
    )
    # A callback has a time of its own.
    waiting = recipients.filter(postponed, due_at__gt=now).exclude(callback_at__gt=now)
    waiting.update(due_at=now)

    never_open = recipients.filter(reason__in=("window_closed", "zone_unknown"))
    changes = {"reason": None, "due_at": now, "unreported_at": None}
    REQUEUE_FIRST.move_all(never_open.filter(attempts=0), **changes)
    REQUEUE.move_all(never_open, **changes)
    task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)


def _real_changes(batch: Batch, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes that make a difference."""
    changes = {name: value for name, value in changes.items() if getattr(batch, name) != value}
    # A client that saw the guessed mapping may send it back without meaning to change it.
    if changes.get("column_mapping") == batch.known_mapping:
        changes.pop("column_mapping", None)
    return changes


def _require_changeable(batch: Batch, names: set[str]) -> None:
    """Raises StateForbids when one of the fields cannot be changed any more, or not yet."""
    if batch.status in Status.final() and names != {"name"}:
        raise StateForbids(HAS_ENDED)
    if batch.upload and names & IMPORT_FIELDS:
        raise StateForbids(STILL_VALIDATING)
    fixed = sorted(FIXED_AT_START[name] for name in names & FIXED_AT_START.keys())
    if batch.started_at and fixed:
        raise StateForbids(f"Batch has started: {', '.join(fixed)} cannot be changed any more")


def _apply_consequences(batch: Batch, before: dict[str, Any]) -> list[str]:
    """Change what follows from the fields that were different `before`.

    Returns the names of the fields it set on the batch.
    """
    if batch.start == Batch.Start.SCHEDULED and batch.scheduled_at is None:
        raise Invalid("A scheduled start needs scheduled_at")
    number = batch.phone_number if "phone_number" in before else None
    if number is not None and number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")

    also_set: list[str] = []
    if "calling_window" in before:
        requeue_postponed(Recipient.unscoped.filter(batch=batch))
    if "calls_per_second" in before:
        # The new pace holds at once, instead of after the last slot of the old one.
        batch.next_slot_at = None
        also_set.append("next_slot_at")
    if "agent" in before:
        batch.agent_version = published_version(batch.agent)
        also_set.append("agent_version")
    if before.keys() & VARIABLE_FIELDS:
        rename_variables(batch, mapping_before=before.get("column_mapping", batch.column_mapping))
        also_set.append("variable_names")
    return also_set


def _audit_update(batch: Batch, before: dict[str, Any], principal: Principal | None) -> None:
    changes = {
        name: {"from": _audit_value(value), "to": _audit_value(getattr(batch, name))}
        for name, value in before.items()
    }
    audit.record("batch.updated", principal=principal, target=batch, changes=changes)


def _audit_value(value: Any) -> Any:
    """Return a field's value as the audit log stores it."""
    if hasattr(value, "pk"):
        return str(value.pk)
    return value.isoformat() if hasattr(value, "isoformat") else value
