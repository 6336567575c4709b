"""Budgets: what a workspace's day, or a set of calls, may still cost.

What a call costs is known once its agent has reported its usage. Until then it is expected to cost
what its agent's calls usually do. A call begins while anything is left, so a budget is passed by
no more than the calls that are under way. Budgets are counted under the lock of what they limit: of
the number's pace for a batch, of the workspace's row for its day.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from math import ceil
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet, Sum

from accounts.models import Workspace
from telephony.domain.expected_costs import ExpectedCosts
from telephony.models import Call
from voiceops.core.prices import limit_micros

# For this long the report of a call that has ended may still be on its way.
USAGE_WAIT = timedelta(seconds=20)


@dataclass
class Budget:
    """An amount and what counts against it, in millionths of the price table's currency."""

    limit: int
    spent: int
    expected: int
    """What the calls under way will probably cost beyond what they have reported."""

    @property
    def is_spent(self) -> bool:
        """Whether the limit has been reached, whatever the calls under way will cost."""
        return self.spent >= self.limit

    def calls_left(self, wanted: int, each: int) -> int:
        """Return how many of the wanted calls may begin; the last may take what is left."""
        left = self.limit - self.spent - self.expected
        if left <= 0:
            return 0
        return min(wanted, ceil(left / each)) if each > 0 else wanted


def budget_of_day(workspace: Workspace, open_calls: QuerySet[Call], now: datetime) -> Budget | None:
    """Return the workspace's budget of its day; None without one.

    Locks the workspace, because calls of all its numbers count. A call belongs to the day on which
    it ends, and every kind of call does.
    """
    limit = limit_micros(workspace.max_cost_per_day)
    if limit is None:
        return None
    workspace.lock()
    begin, _ = day_of(workspace, now)
    ended = Call.unscoped.filter(workspace=workspace, ended_at__gte=begin)
    still_open = open_calls.filter(workspace=workspace)
    unreported = unreported_calls(workspace.pk, now)
    return Budget(
        limit=limit,
        spent=cost_so_far(ended) + cost_so_far(still_open),
        expected=expected_cost(still_open, unreported),
    )


def day_of(workspace: Workspace, now: datetime) -> tuple[datetime, datetime]:
    """Return when the workspace's day began and when its next one begins, by its time zone."""
    zone = ZoneInfo(workspace.timezone)
    today = now.astimezone(zone).date()
    begin, end = (datetime.combine(day, time.min, zone) for day in (today, today + timedelta(1)))
    return begin.astimezone(UTC), end.astimezone(UTC)


def cost_so_far(calls: QuerySet[Call]) -> int:
    """Return what the calls have cost, as far as their agents have reported, in millionths."""
    # Its index holds calls with a cost alone.
    known = calls.filter(cost_micros__isnull=False)
    return known.aggregate(total=Sum("cost_micros"))["total"] or 0


def expected_cost(*under_way: QuerySet[Call]) -> int:
    """Return what calls under way will probably cost beyond what they have reported."""
    expected = ExpectedCosts()
    return sum(
        max(0, expected.of(version_id) - (cost or 0))
        for calls in under_way
        for version_id, cost in calls.values_list("agent_version_id", "cost_micros")
    )


def unreported_calls(workspace_id: UUID, now: datetime) -> QuerySet[Call]:
    """Return the answered calls that ended just now and whose usage is not reported yet."""
    return Call.unscoped.filter(
        workspace=workspace_id,
        ended_at__gt=now - USAGE_WAIT,
        answered_at__isnull=False,
        cost_micros__isnull=True,
    )


def close_day_if_spent(workspace: Workspace, budget: Budget | None, now: datetime) -> None:
    """Keep the workspace's batches from calling until its next day, if its budget is spent."""
    if budget is not None and budget.is_spent:
        _, end = day_of(workspace, now)
        Workspace.unscoped.filter(pk=workspace.pk).update(budget_spent_until=end)
