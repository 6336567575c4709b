"""How far a batch is: counts, rates, and when it may be over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Max, QuerySet, Sum, UUIDField

from batches.dialing.batch_budgets import cost_of_batch
from batches.models import Batch, Recipient, RecipientCount
from telephony.models import Call
from voiceops.core.ids import lowest_id
from voiceops.core.prices import describe_amount
from voiceops.db.compiled_query import CompiledQuery

RATE_WINDOW_SECONDS = 10.0
# A call's row is never older than this when it is dialled.
MAX_RESERVATION_AGE = timedelta(minutes=3)
STATUSES: tuple[str, ...] = tuple(Recipient.Status.values)
# Filters of a batch's list whose rows are counted already.
COUNTED_FILTERS = ("status", "outcome", "reason")
Counts = dict[str, int]


def _count_statuses(counts: QuerySet[RecipientCount]) -> QuerySet[RecipientCount, Any]:
    return counts.order_by().values_list("batch_id", "status").annotate(Sum("recipients"))


STATUSES_OF_BATCH: CompiledQuery[Any] = CompiledQuery(
    lambda batch: _count_statuses(RecipientCount.unscoped.filter(batch_id=batch)),
    batch=UUIDField(),
)


def counts_of(batches: Iterable[Any]) -> dict[UUID, Counts]:
    """Return the contract's `counts` of each batch, in one query.

    Of batches or rows, `id` and `rejected_count` are read; an id may be text.
    """
    rejected = {UUID(str(batch.id)): batch.rejected_count for batch in batches}
    by_batch: dict[UUID, Counts] = {pk: {} for pk in rejected}
    if len(rejected) == 1:
        rows: Iterable[Any] = STATUSES_OF_BATCH.rows(batch=next(iter(rejected)))
    else:
        rows = _count_statuses(RecipientCount.unscoped.filter(batch_id__in=list(rejected)))
    for batch_id, status, count in rows:
        by_batch[batch_id][status] = count
    return {pk: _with_totals(counts, rejected[pk]) for pk, counts in by_batch.items()}


def numbers_of(values: Mapping[str, Any], *, query: Mapping[str, Any]) -> QuerySet[RecipientCount]:
    """Return counts whose `number`s add up to how many recipients of a batch the query asks for."""
    filters = {name: query[name] for name in COUNTED_FILTERS if name in query}
    counts = RecipientCount.unscoped.filter(batch_id=values["batch"], **filters)
    return counts.annotate(number=F("recipients"))


def progress_of(batch: Batch, *, now: datetime) -> dict[str, Any]:
    """Return the contract's `progress` of a batch that was just read."""
    recipients = _RecipientStats.of(batch)
    rate = calls_per_second(batch, now)
    elapsed_seconds = 0.0
    if batch.started_at:
        elapsed = (batch.ended_at or now) - batch.started_at
        elapsed_seconds = round(elapsed.total_seconds(), 3)
    return {
        "status": batch.status,
        "counts": recipients.counts,
        "calls_per_second": rate,
        "answer_rate": recipients.answer_rate,
        "outcomes": recipients.outcomes,
        "estimated_end_at": estimated_end(batch, recipients, rate=rate, now=now),
        "elapsed_seconds": elapsed_seconds,
        "cost": describe_amount(cost_of_batch(batch)),
    }


def calls_per_second(batch: Batch, now: datetime) -> float:
    """Return the calls dialled per second in the last ten, or since the start if that is less."""
    if batch.started_at is None or batch.status not in Batch.Status.started():
        return 0.0
    seconds = min(RATE_WINDOW_SECONDS, max((now - batch.started_at).total_seconds(), 1.0))
    since = now - timedelta(seconds=seconds)
    # The id narrows the search by its index, the time decides.
    recent = Call.unscoped.filter(
        workspace=batch.workspace_id, batch_id=batch.pk, pk__gte=lowest_call_id(since)
    )
    return round(recent.filter(dialed_at__gt=since).count() / seconds, 2)


def allowed_pace(batch: Batch) -> float | None:
    """Return the calls per second that the batch may make: its own limit, else its number's.

    None without a number.
    """
    number = batch.phone_number
    return batch.calls_per_second or (number.calls_per_second if number else None)


def lowest_call_id(since: datetime) -> UUID:
    """Return the lowest id of a call that may have been dialled since.

    Ids sort by time, so the filter can use the index on them.
    """
    return lowest_id(since, later=-MAX_RESERVATION_AGE)


def estimated_end(
    batch: Batch, recipients: "_RecipientStats", *, rate: float, now: datetime
) -> datetime | None:
    """Return when all recipients may have been called; None unless the batch runs.

    Uses the measured rate, or the configured one where there is none.
    """
    if batch.status != Batch.Status.RUNNING:
        return None
    open_count = sum(recipients.counts[status] for status in Recipient.Status.open())
    # In the first second there is nothing to measure.
    pace = rate or allowed_pace(batch)
    if not pace:
        return None
    waiting = batch.recipients.filter(due_at__isnull=False)
    last_due_at = waiting.aggregate(last=Max("due_at"))["last"]
    return max(now + timedelta(seconds=open_count / pace), last_due_at or now)


@dataclass(frozen=True)
class _RecipientStats:
    counts: Counts
    outcomes: Counts

    @classmethod
    def of(cls, batch: Batch) -> "_RecipientStats":
        """Read the counts of the batch's recipients in one query."""
        by_status: Counts = {}
        outcomes: Counts = {}
        counts = RecipientCount.unscoped.filter(batch_id=batch.pk).order_by()
        groups = counts.values_list("status", "outcome").annotate(number=Sum("recipients"))
        for status, outcome, number in groups.exclude(number=0):
            by_status[status] = by_status.get(status, 0) + number
            if outcome and status in Recipient.Status.with_outcome():
                outcomes[outcome] = outcomes.get(outcome, 0) + number
        return cls(_with_totals(by_status, batch.rejected_count), outcomes)

    @property
    def answer_rate(self) -> float | None:
        """The share of recipients with a result who answered themselves; None without results."""
        total = sum(self.outcomes.values())
        return round(self.outcomes.get("answered", 0) / total, 4) if total else None


def _with_totals(by_status: Mapping[str, int], rejected: int) -> Counts:
    counts = {status: by_status.get(status, 0) for status in STATUSES}
    return {"total": sum(counts.values()), **counts, "rejected": rejected}
