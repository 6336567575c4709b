"""How often a callee was called lately: what the frequency limits of a batch are compared with."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet

from accounts.models import Workspace
from batches.models import Batch
from telephony.models import Call, Direction, Outcome, Stage
from voiceops.core.clock import database_now

# Ten years. A workspace may ask for more, but then the date would lie before the calendar begins.
MAX_GAP_MINUTES = 10 * 366 * 24 * 60
MAY_HAVE_RUNG = Q(counts=True) | ~Q(stage=Stage.ENDED) | Q(outcome=Outcome.UNKNOWN)
OPEN_ATTEMPT_CHECK_INTERVAL = timedelta(minutes=1)

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MONTH = timedelta(days=30)


class Attempt(NamedTuple):
    """A call that may have rung: when it was sent, and what came of it."""

    sent_at: datetime
    outcome: str | None


NEVER_CALLED = {
    "last": None,
    "answered": None,
    "declined": None,
    "day": 0,
    "week": 0,
    "month": 0,
}
# The reason for a refusal, what is counted, and the limit of the batch or its workspace.
CAPS = (
    ("daily_cap", "day", "max_attempts_per_day"),
    ("weekly_cap", "week", "max_attempts_per_week"),
    ("monthly_cap", "month", "max_attempts_per_30_days"),
)
# The reason for a refusal, which call it rests after, and the days of rest.
RESTS = (
    ("rest_after_answer", "answered", "rest_days_after_answer"),
    ("rest_after_refusal", "declined", "rest_days_after_refusal"),
)
# What does not keep a callback from being made: the callee has asked for it.
WAIVED_FOR_CALLBACKS = frozenset(refusal for refusal, *_ in RESTS)


def recent_attempts(
    workspaces: Mapping[UUID, Workspace], numbers: Collection[str], batches: Iterable[Batch] = ()
) -> dict[tuple[UUID, str], dict[str, Any]]:
    """Return what the limits of workspaces and batches need, by workspace id and number (E.164).

    `last`, `answered` and `declined`: when the last attempt that may have rung was sent, and the
    last that ended so, None for none lately; `day`, `week` and `month`: how many there were in 24
    hours, in 7 and in 30 days.
    """
    now = database_now()
    gaps = (gap_of(workspace) for workspace in workspaces.values())
    longest = max([WEEK, *gaps, *map(_memory_of, batches)])
    to_these = _attempts(since=now - longest).filter(
        workspace__in=workspaces, to_number__in=numbers
    )
    rows = to_these.values("workspace_id", "to_number").annotate(**_counts(now))
    # Numbers without a recent attempt get an entry too: record_slot counts in it.
    found = {(row["workspace_id"], row["to_number"]): dict(row) for row in rows}
    for workspace_id in workspaces:
        for number in numbers:
            found.setdefault((workspace_id, number), dict(NEVER_CALLED))
    return found


def attempts_by_number(
    workspace: Workspace, numbers: Collection[str], batches: Collection[Batch]
) -> dict[str, list[Attempt]]:
    """Return the attempts that matter to caps and rests of the batches, by number (E.164)."""
    found: dict[str, list[Attempt]] = defaultdict(list)
    limited = [batch for batch in batches if has_limits(batch)]
    if not limited or not numbers:
        return found
    since = database_now() - max(map(_memory_of, limited))
    to_these = _attempts(since=since).filter(workspace=workspace, to_number__in=numbers)
    for number, sent_at, outcome in to_these.values_list("to_number", "intent_at", "outcome"):
        assert sent_at is not None
        found[number].append(Attempt(sent_at, outcome))
    return found


def recent_at(attempts: Collection[Attempt], at: datetime) -> dict[str, Any]:
    """Return what `recent_attempts` will find at that time, if no attempt is added until then."""
    ended = {
        name: [attempt.sent_at for attempt in attempts if attempt.outcome == outcome]
        for name, outcome in (("answered", Outcome.ANSWERED), ("declined", Outcome.DECLINED))
    }
    since = {"day": at - DAY, "week": at - WEEK, "month": at - MONTH}
    return {
        "last": max((attempt.sent_at for attempt in attempts), default=None),
        **{name: max(times, default=None) for name, times in ended.items()},
        **{
            name: sum(attempt.sent_at > begin for attempt in attempts)
            for name, begin in since.items()
        },
    }


def limit_refusal(batch: Batch, recent: Mapping[str, Any], now: datetime) -> str | None:
    """Return which cap or rest forbids a call of the batch; None if none does."""
    for refusal, counted, name in CAPS:
        cap = batch.limit(name)
        if cap is not None and recent[counted] >= cap:
            return refusal
    for refusal, last, name in RESTS:
        days = batch.limit(name)
        if days is not None and recent[last] and now < recent[last] + timedelta(days=days):
            return refusal
    return None


def has_limits(batch: Batch) -> bool:
    """Return whether the batch, its workspace or profile caps calls to a number or lets it rest."""
    return any(batch.limit(name) is not None for *_, name in (*CAPS, *RESTS))


def find_at_limit(batch: Batch, now: datetime) -> dict[str, str]:
    """Return the numbers that a cap or rest forbids the batch to call, each with which."""
    if not has_limits(batch):
        return {}
    attempts = _attempts(since=now - _memory_of(batch)).filter(workspace=batch.workspace)
    rows = attempts.order_by().values("to_number").annotate(**_counts(now))
    refusals = ((row["to_number"], limit_refusal(batch, row, now)) for row in rows.iterator())
    return {number: refusal for number, refusal in refusals if refusal is not None}


def _attempts(*, since: datetime) -> QuerySet[Call]:
    return Call.unscoped.filter(MAY_HAVE_RUNG, direction=Direction.OUTBOUND, intent_at__gt=since)


def _memory_of(batch: Batch) -> timedelta:
    """Return how far back attempts matter to the caps and rests of a batch; a week at least."""
    rests = [batch.limit(name) or 0 for *_, name in RESTS]
    caps_month = batch.limit("max_attempts_per_30_days") is not None
    return max(WEEK, timedelta(days=max(*rests, MONTH.days if caps_month else 0)))


def _counts(now: datetime) -> dict[str, Any]:
    return {
        "last": Max("intent_at"),
        "answered": Max("intent_at", filter=Q(outcome=Outcome.ANSWERED)),
        "declined": Max("intent_at", filter=Q(outcome=Outcome.DECLINED)),
        "day": Count("pk", filter=Q(intent_at__gt=now - DAY)),
        "week": Count("pk", filter=Q(intent_at__gt=now - WEEK)),
        "month": Count("pk", filter=Q(intent_at__gt=now - MONTH)),
    }


def gap_ends_at(call: Call, now: datetime) -> datetime:
    """Return when the callee of a call that was refused for `min_gap` may be called.

    An attempt that is still open may turn out never to have been sent, so that one is checked again
    after a minute.
    """
    open_calls = Call.unscoped.open().filter(
        workspace_id=call.workspace_id, to_number=call.to_number, direction=Direction.OUTBOUND
    )
    if open_calls.exclude(intent_at=None).exists():
        return now + OPEN_ATTEMPT_CHECK_INTERVAL
    workspace = Workspace.unscoped.get(pk=call.workspace_id)
    recent = recent_attempts({workspace.pk: workspace}, {call.to_number})
    last: datetime | None = recent[workspace.pk, call.to_number]["last"]
    return max(now, last + gap_of(workspace)) if last is not None else now


def gap_of(workspace: Workspace) -> timedelta:
    """Return the least time between two calls to one number; none while it is off."""
    return timedelta(minutes=min(workspace.min_gap_minutes or 0, MAX_GAP_MINUTES))
