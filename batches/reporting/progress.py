"""How far a batch is: counts, rates, and when it may be over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max

from batches.models import Batch, Recipient
from telephony.models import Call
from voiceops.core.ids import lowest_id

RATE_WINDOW_SECONDS = 10.0  # over which calls per second are measured
MAX_RESERVATION_AGE = timedelta(
    minutes=3
)  # a call's row is never older than this when it is dialled
STATUSES: tuple[str, ...] = tuple(Recipient.Status.values)
Counts = dict[str, int]


def counts_of(batches: Iterable[Batch]) -> dict[UUID, Counts]:
    """The counts of every batch, in one query."""
    rejected = {batch.pk: batch.rejected_count for batch in batches}
    found: dict[UUID, Counts] = {pk: {} for pk in rejected}
    people = Recipient.unscoped.filter(batch__in=list(rejected)).order_by()
    for batch_id, status, count in people.values_list("batch_id", "status").annotate(Count("pk")):
        found[batch_id][status] = count
    return {pk: _counts(by_status, rejected[pk]) for pk, by_status in found.items()}


def progress_of(batch: Batch, *, now: datetime) -> dict[str, Any]:
    """The contract's `progress` of a batch just read."""
    people = _RecipientStats.of(batch)
    rate = calls_per_second(batch, now)
    until = batch.ended_at or now
    return {
        "status": batch.status,
        "counts": people.counts,
        "calls_per_second": rate,
        "answer_rate": people.answer_rate,
        "outcomes": people.outcomes,
        "estimated_end_at": estimated_end(batch, people, rate=rate, now=now),
        "elapsed_seconds": round((until - batch.started_at).total_seconds(), 3)
        if batch.started_at
        else 0.0,
    }


def calls_per_second(batch: Batch, now: datetime) -> float:
    """Calls dialled per second in the last ten, or since the start where that is less."""
    if batch.started_at is None or batch.status not in Batch.Status.started():
        return 0.0
    seconds = min(RATE_WINDOW_SECONDS, max((now - batch.started_at).total_seconds(), 1.0))
    since = now - timedelta(seconds=seconds)
    recent = Call.unscoped.filter(
        workspace=batch.workspace_id, batch_id=batch.pk, pk__gte=lowest_call_id(since)
    )
    return round(recent.filter(dialed_at__gt=since).count() / seconds, 2)


def lowest_call_id(since: datetime) -> UUID:
    """The lowest UUIDv7 of a call that may have been dialled since: ids sort by time, and the index
    knows ids.
    """
    return lowest_id(since, later=-MAX_RESERVATION_AGE)


def estimated_end(
    batch: Batch, people: "_RecipientStats", *, rate: float, now: datetime
) -> datetime | None:
    """When everybody may have been called: at the measured rate, else at the one configured. None
    unless it runs.
    """
    if batch.status != Batch.Status.RUNNING:
        return None
    left = sum(people.counts[status] for status in Recipient.Status.open())
    configured = batch.calls_per_second or (
        batch.phone_number.calls_per_second if batch.phone_number else None
    )
    pace = rate or configured
    if not pace:
        return None
    return max(now + timedelta(seconds=left / pace), people.last_due_at or now)


@dataclass(frozen=True)
class _RecipientStats:
    counts: Counts
    outcomes: Counts
    last_due_at: datetime | None

    @classmethod
    def of(cls, batch: Batch) -> "_RecipientStats":
        """One query over the batch's people."""
        by_status: Counts = {}
        outcomes: Counts = {}
        last_due_at: datetime | None = None
        groups = batch.recipients.order_by().values_list("status", "outcome")
        for status, outcome, count, due_at in groups.annotate(Count("pk"), Max("due_at")):
            by_status[status] = by_status.get(status, 0) + count
            if outcome is not None and status in Recipient.Status.with_outcome():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
            if due_at is not None:
                last_due_at = max(due_at, last_due_at or due_at)
        return cls(_counts(by_status, batch.rejected_count), outcomes, last_due_at)

    @property
    def answer_rate(self) -> float | None:
        """Of the people who are done with and were called, the share who answered themselves."""
        called = sum(self.outcomes.values())
        return round(self.outcomes.get("answered", 0) / called, 4) if called else None


def _counts(by_status: Mapping[str, int], rejected: int) -> Counts:
    whole = {status: by_status.get(status, 0) for status in STATUSES}
    return {"total": sum(whole.values()), **whole, "rejected": rejected}
