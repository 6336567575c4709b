"""The least time between two calls to one number, decided where recipients are reserved.

A gap that the workspace chose holds for every call of a batch, retries included, and counts single
calls too. The default one only keeps lists that run at the same time from ringing one number
twice: a recipient's own retries follow the batch's `retry`, and a list that starts after the other
has ended is called at once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from accounts.models import Workspace
from batches.dialing.frequency import MAY_HAVE_RUNG, OPEN_ATTEMPT_CHECK_INTERVAL, gap_of
from batches.models import Batch, Recipient
from telephony.models import Call, Direction, Stage
from voiceops.db.chunks import chunked

MIN_GAP = "min_gap"


class _RecentCall(NamedTuple):
    to_number: str
    recipient_id: UUID | None
    batch_id: UUID | None
    stage: str
    intent_at: datetime | None


class Gaps:
    """Until when recipients of a workspace wait for calls to their number that are known now."""

    def __init__(self, workspace: Workspace, numbers: Collection[str], now: datetime) -> None:
        self._workspace = workspace
        self._now = now
        self._gap = gap_of(workspace)
        self._recent = self._read_recent(numbers) if self._gap and numbers else []
        is_default = bool(self._recent) and workspace.min_gap_is_default
        ids = {call.batch_id for call in self._recent if call.batch_id}
        self._others = Batch.unscoped.only("status", "ended_at").in_bulk(ids if is_default else [])

    def ends_at(self, recipient: Recipient, batch: Batch) -> datetime:
        """Return when the number of a recipient of the batch may ring; now, if it may."""
        ends = (
            self._call_ends_at(call)
            for call in self._recent
            if call.to_number == recipient.number_to_call and self._holds(call, recipient, batch)
        )
        return max(ends, default=self._now)

    def _read_recent(self, numbers: Collection[str]) -> list[_RecentCall]:
        """Return the calls to these numbers that were made within the gap, or are open."""
        calls = Call.unscoped.filter(
            MAY_HAVE_RUNG,
            Q(intent_at__gt=self._now - self._gap) | ~Q(stage=Stage.ENDED),
            workspace=self._workspace,
            to_number__in=numbers,
            direction=Direction.OUTBOUND,
        )
        return [_RecentCall(*row) for row in calls.values_list(*_RecentCall._fields)]

    def _holds(self, call: _RecentCall, recipient: Recipient, batch: Batch) -> bool:
        """Return whether a call to its number makes the recipient wait."""
        if not self._workspace.min_gap_is_default:
            return True
        other = self._others.get(call.batch_id) if call.batch_id else None
        return call.recipient_id != recipient.pk and other is not None and _ran_beside(other, batch)

    def _call_ends_at(self, call: _RecentCall) -> datetime:
        """Return when the gap after a call ends.

        A call that is still open may turn out never to have been sent, so it is checked again soon.
        """
        if call.stage in (Stage.RESERVED, *Stage.before_callee()) or call.intent_at is None:
            return self._now + OPEN_ATTEMPT_CHECK_INTERVAL
        return max(call.intent_at + self._gap, self._now)


def defer_within_gap(
    batch: Batch,
    recipients: Sequence[Recipient],
    now: datetime,
    *,
    wanted: int,
    reserved: Sequence[Recipient] = (),
) -> list[Recipient]:
    """Return up to `wanted` recipients whose number may ring now; defer others until it may.

    The caller reserves calls for those that are returned, and for `reserved`, in the same
    transaction. Locks the workspace's row, so that workers on two of its numbers do not both find a
    callee free.
    """
    workspace = batch.workspace
    if not gap_of(workspace) or not recipients:
        return list(recipients[:wanted])
    _lock_workspace(workspace)
    numbers = {recipient.number_to_call for recipient in recipients}
    gaps = Gaps(workspace, numbers, now)
    free: list[Recipient] = []
    deferred: list[Recipient] = []
    about_to_ring = {recipient.number_to_call for recipient in reserved}
    for recipient in recipients:
        if len(free) == wanted:
            break
        ends_at = gaps.ends_at(recipient, batch)
        if recipient.number_to_call in about_to_ring:
            ends_at = max(ends_at, now + OPEN_ATTEMPT_CHECK_INTERVAL)
        if ends_at > now:
            recipient.due_at, recipient.reason = ends_at, MIN_GAP
            deferred.append(recipient)
        else:
            about_to_ring.add(recipient.number_to_call)
            free.append(recipient)
    if deferred:
        Recipient.unscoped.bulk_update(deferred, ["due_at", "reason"])
    return free


def find_in_started_batches(workspace_id: UUID, numbers: Sequence[str]) -> set[str]:
    """Return those of the numbers that stand in a batch of the workspace that has been started."""
    started = Batch.unscoped.filter(workspace=workspace_id, status__in=Batch.Status.started())
    batch_ids = list(started.values_list("pk", flat=True))
    if not batch_ids:
        return set()
    found: set[str] = set()
    for chunk in chunked(numbers):
        # With the condition of the index that holds each number of a batch once.
        rows = Recipient.unscoped.filter(
            batch__in=batch_ids, phone_number__in=chunk, is_duplicate=False
        ).exclude(status__in=(Recipient.Status.SKIPPED, Recipient.Status.CANCELLED))
        found.update(rows.values_list("phone_number", flat=True))
    return found


def _lock_workspace(workspace: Workspace) -> None:
    # Rows that refer to the workspace may still be inserted meanwhile, by an import for example.
    list(Workspace.unscoped.select_for_update(no_key=True).filter(pk=workspace.pk).values("pk"))


def _ran_beside(other: Batch, batch: Batch) -> bool:
    """Return whether a batch runs, or ran at some time since the second one was started."""
    if other.status in Batch.Status.started():
        return True
    if batch.started_at is None or other.ended_at is None:
        return False
    return other.ended_at > batch.started_at
