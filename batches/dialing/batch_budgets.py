"""A batch's budget: how many calls it leaves, and the pause when it is spent."""

from datetime import datetime

from batches.domain.batch_transitions import SPEND_BUDGET
from batches.models import Batch
from telephony.dialing.budgets import (
    Budget,
    cost_so_far,
    expected_cost,
    unreported_calls,
)
from telephony.domain.expected_costs import ExpectedCosts
from telephony.models import Call
from voiceops.core.prices import in_words, limit_micros


def limit_to_budgets(batch: Batch, wanted: int, day: Budget | None, now: datetime) -> int:
    """Return how many of the wanted calls the budgets of the batch and of the day allow.

    They are counted against the day's at once. A batch that has spent its own is paused. The caller
    has locked the pace of the batch's number.
    """
    if wanted <= 0:
        return 0
    own = budget_of_batch(batch, now)
    if own is not None and own.is_spent:
        pause_at_budget(batch, own, now)
        return 0
    if own is None and day is None:
        return wanted
    each = ExpectedCosts().of(batch.agent_version_id)
    for budget in (own, day):
        if budget is not None:
            wanted = budget.calls_left(wanted, each)
    if day is not None:
        day.expected += wanted * each
    return wanted


def budget_of_batch(batch: Batch, now: datetime) -> Budget | None:
    """Return the batch's budget; None without one."""
    limit = limit_micros(batch.max_cost)
    if limit is None:
        return None
    open_calls = Call.unscoped.open().filter(batch_id=batch.pk)
    unreported = unreported_calls(batch.workspace_id, now).filter(batch_id=batch.pk)
    return Budget(
        limit=limit, spent=cost_of_batch(batch), expected=expected_cost(open_calls, unreported)
    )


def cost_of_batch(batch: Batch) -> int:
    """Return what the batch's calls have cost, in millionths."""
    return cost_so_far(Call.unscoped.filter(batch_id=batch.pk))


def pause_at_budget(batch: Batch, budget: Budget, now: datetime) -> None:
    """Pause a batch that has spent its budget; raising the budget resumes it."""
    error = (
        f"The budget is spent: {in_words(budget.spent)} of {in_words(budget.limit)}. Raise "
        "max_cost to call the others"
    )
    SPEND_BUDGET.move_all(
        Batch.unscoped.filter(pk=batch.pk),
        error=error,
        budget_spent_at=now,
        probe_at=None,
        probe_call_id=None,
    )
