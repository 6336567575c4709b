"""The least time between two calls to one number, decided where recipients are reserved.

A gap that the workspace chose holds for every call of a batch, retries included, and counts single
calls too. The default one only keeps lists that run at the same time from ringing one number
twice: a recipient's own retries follow the batch's `retry`, and a list that starts after the other
has ended is called at once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
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
    gap = gap_of(workspace)
    if not gap or not recipients:
        return list(recipients[:wanted])
    _lock_workspace(workspace)
    numbers = {recipient.number_to_call for recipient in recipients}
    recent = _recent_calls(batch, numbers, since=now - gap)
    free: list[Recipient] = []
    deferred: list[Recipient] = []
    about_to_ring = {recipient.number_to_call for recipient in reserved}
    for recipient in recipients:
        if len(free) == wanted:
            break
        held_by = [call for call in recent if _holds(call, recipient, workspace)]
        ends_at = max((_gap_ends_at(call, gap, now) for call in held_by), default=now)
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


def _recent_calls(batch: Batch, numbers: Collection[str], since: datetime) -> list[_RecentCall]:
    """Return the calls to these numbers that the gap counts, made since then or open."""
    calls = Call.unscoped.filter(
        MAY_HAVE_RUNG,
        Q(intent_at__gt=since) | ~Q(stage=Stage.ENDED),
        workspace=batch.workspace_id,
        to_number__in=numbers,
        direction=Direction.OUTBOUND,
    )
    rows = [_RecentCall(*row) for row in calls.values_list(*_RecentCall._fields)]
    if not rows or not batch.workspace.min_gap_is_default:
        return rows
    beside = _batches_beside(batch, {row.batch_id for row in rows if row.batch_id})
    return [row for row in rows if row.batch_id in beside]


def _batches_beside(batch: Batch, ids: Collection[UUID]) -> set[UUID]:
    """Return those of the batches that run, or ran at some time since this one was started."""
    running = Q(status__in=Batch.Status.started())
    if batch.started_at is not None:
        running |= Q(ended_at__gt=batch.started_at)
    return set(Batch.unscoped.filter(running, pk__in=ids).values_list("pk", flat=True))


def _holds(call: _RecentCall, recipient: Recipient, workspace: Workspace) -> bool:
    """Return whether the call makes the recipient wait."""
    is_own = call.recipient_id == recipient.pk and workspace.min_gap_is_default
    return call.to_number == recipient.number_to_call and not is_own


def _gap_ends_at(call: _RecentCall, gap: timedelta, now: datetime) -> datetime:
    """Return when the gap after a call ends.

    A call that is still open may turn out never to have been sent, so it is checked again soon.
    """
    if call.stage in (Stage.RESERVED, *Stage.before_callee()) or call.intent_at is None:
        return now + OPEN_ATTEMPT_CHECK_INTERVAL
    return call.intent_at + gap
