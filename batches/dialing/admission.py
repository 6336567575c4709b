"""The last checks before a dial: pause, suppression, calling window, frequency, batch pace."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Workspace
from batches.dialing.callbacks import is_callback
from batches.dialing.calling_windows import is_open, rules_of
from batches.dialing.frequency import (
    WAIVED_FOR_CALLBACKS,
    has_limits,
    limit_refusal,
    recent_attempts,
)
from batches.domain.suppressed_numbers import find_suppressed_targets
from batches.models import Batch, Recipient
from batches.models.column_roles import ZONE_ROLES
from telephony.dialing.pacing import slot_interval
from telephony.models import Call


class BatchPace:
    """The next slots of batches with a pace of their own, read under their rows' locks."""

    def __init__(self, batches: QuerySet[Batch], calls: Sequence[Call]) -> None:
        ids = {call.batch_id for call in calls if call.batch_id}
        # In one order everywhere, or two workers with the same two batches would deadlock.
        locked = batches.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk")
        self.batches: dict[UUID | None, Batch] = {batch.pk: batch for batch in locked}
        self.paced: set[UUID] = set()

    def next_allowed_at(self, call: Call) -> datetime | None:
        """Return the next slot of the call's batch; None for any."""
        batch = self.batches.get(call.batch_id)
        return batch.next_slot_at if batch is not None else None

    def record_slot(self, call: Call, slot: datetime) -> None:
        """Move the batch's next slot behind this one."""
        batch = self.batches.get(call.batch_id)
        if batch is not None and batch.calls_per_second:
            batch.next_slot_at = slot + slot_interval(batch.calls_per_second)
            self.paced.add(batch.pk)

    def save(self) -> None:
        """Write the next slots that `record_slot` moved."""
        for pk in self.paced:
            self.batches[pk].save(update_fields=["next_slot_at"])


class BatchAdmission(BatchPace):
    """Every check of one chunk of calls, read under the locks of the intents' transaction."""

    def __init__(self, calls: Sequence[Call]) -> None:
        super().__init__(Batch.unscoped.select_related("workspace"), calls)
        self.workspaces = Workspace.unscoped.in_bulk({call.workspace_id for call in calls})
        self.suppressed = find_suppressed_targets(
            [(call.workspace_id, call.to_number) for call in calls]
        )
        self.own_zones = self._read_own_zones(calls)
        self.recent: dict[tuple[UUID, str], dict[str, Any]] = {}
        # Calls without a batch are never held back.
        of_batches = list(self.batches.values())
        if any(has_frequency_limits(batch) for batch in of_batches):
            numbers = {call.to_number for call in calls}
            self.recent = recent_attempts(self.workspaces, numbers, of_batches)

    def refusal(self, call: Call, now: datetime) -> str | None:
        """Return why this call must not be dialed now, as its `end_reason`; None if it may be."""
        # First, because it also holds for calls that belong to no batch.
        if (call.workspace_id, call.to_number) in self.suppressed:
            return "suppressed"
        if call.batch_id is None:
            return None
        batch = self.batches.get(call.batch_id)
        if batch is None:
            return "batch_deleted"
        if not may_dial(batch, call):
            return "batch_stopped" if batch.status == Batch.Status.STOPPED else "batch_paused"
        own_zone = self.own_zones.get(call.recipient_id)
        if not is_open(call.to_number, rules_of(batch), now, own_zone):
            return "window_closed"
        return self.frequency_refusal(batch, call, now)

    def _read_own_zones(self, calls: Sequence[Call]) -> dict[UUID | None, str | None]:
        """Return the time zones that lists give recipients; most lists have no such column."""
        with_column = {
            pk
            for pk, batch in self.batches.items()
            if any(role in ZONE_ROLES for role in batch.column_roles.values())
        }
        ids = [
            call.recipient_id
            for call in calls
            if call.recipient_id is not None and call.batch_id in with_column
        ]
        rows = Recipient.unscoped.filter(pk__in=ids) if ids else Recipient.unscoped.none()
        return dict(rows.values_list("pk", "timezone"))

    def frequency_refusal(self, batch: Batch, call: Call, now: datetime) -> str | None:
        """Return which frequency limit forbids this call of the batch; None if none does."""
        recent = self.recent.get((call.workspace_id, call.to_number))
        if recent is None:
            return None
        workspace = self.workspaces[call.workspace_id]
        # The default gap was decided when the call was reserved (batches/dialing/gaps.py).
        gap = None if workspace.min_gap_is_default else workspace.min_gap_minutes
        if gap is not None and recent["last"] and (now - recent["last"]).total_seconds() < 60 * gap:
            return "min_gap"
        refusal = limit_refusal(batch, recent, now)
        return None if refusal in WAIVED_FOR_CALLBACKS and is_callback(call) else refusal

    def record_slot(self, call: Call, slot: datetime) -> None:
        """Count the call against its batch's pace and the callee's frequency limits."""
        super().record_slot(call, slot)
        if recent := self.recent.get((call.workspace_id, call.to_number)):
            recent["last"] = slot
            recent["day"] += 1
            recent["week"] += 1
            recent["month"] += 1


class BatchGate:
    """What telephony asks of batches at the last moment before a dial."""

    def admit(self, calls: Sequence[Call]) -> BatchAdmission:
        """Read everything that may forbid these calls or delay them."""
        return BatchAdmission(calls)

    def own_pace(self, calls: Sequence[Call]) -> BatchPace:
        """Read only what delays these calls."""
        return BatchPace(Batch.unscoped.filter(calls_per_second__isnull=False), calls)


def may_dial(batch: Batch, call: Call) -> bool:
    """Return whether the batch is running, or has paused itself and this call is its probe."""
    is_probe = batch.status == Batch.Status.PAUSED and batch.probe_call_id == call.pk
    return batch.status == Batch.Status.RUNNING or is_probe


def has_frequency_limits(batch: Batch) -> bool:
    """Return whether the batch or its workspace limits how often a callee is called."""
    workspace = batch.workspace
    has_gap = workspace.min_gap_minutes is not None and not workspace.min_gap_is_default
    return has_gap or has_limits(batch)
