"""How many more calls a number may have, and the adoption of queued calls within that.

Limits are counted under the lock of the number's pace (and of the workspace's row, where it has a
limit of its own), so they are never exceeded by even one call. They count open calls: a counter
would stay wrong when a worker is killed.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce

from accounts.models import Workspace
from telephony.dialing.budgets import budget_of_day, close_day_if_spent
from telephony.dialing.pacing import calls_ahead
from telephony.dialing.protocol import CALL_LEASE
from telephony.domain.expected_costs import ExpectedCosts
from telephony.models import Call, Direction, NumberPace, Outcome, PhoneNumber, Stage
from voiceops.core.clock import database_now
from voiceops.core.ids import lowest_id

# Ordered by POST /calls, and no dispatcher has them yet.
QUEUED = Q(stage=Stage.RESERVED, lease_owner=None, direction=Direction.OUTBOUND)
QUOTA_PERIOD = timedelta(days=1)


def capacity_of_number(number: PhoneNumber, open_calls: QuerySet[Call]) -> int:
    """Return how many calls may be reserved beside `open_calls`; negative when there are too many.

    The caller holds the lock of the number's pace.
    """
    on_number = open_calls.filter(number=number)
    reserved = on_number.filter(stage=Stage.RESERVED)
    limits = [
        number.max_concurrent_calls - on_number.count(),
        calls_ahead(number.calls_per_second) - reserved.count(),
    ]
    workspace = number.workspace
    if workspace.max_concurrent_calls is not None or workspace.max_calls_per_day is not None:
        # Calls of its other numbers are counted too, under their own locks.
        workspace.lock()
    if workspace.max_concurrent_calls is not None:
        in_workspace = open_calls.filter(workspace=workspace)
        limits.append(workspace.max_concurrent_calls - in_workspace.count())
    if workspace.max_calls_per_day is not None:
        limits.append(workspace.max_calls_per_day - calls_of_the_day(workspace, open_calls))
    return min(limits)


def calls_of_the_day(workspace: Workspace, open_calls: QuerySet[Call]) -> int:
    """Return how many calls count against the workspace's quota of 24 hours.

    These are outbound calls that rang or may have rung, and those that are open now.
    """
    made = _made_since(workspace, database_now() - QUOTA_PERIOD)
    return made.count() + _still_open(workspace, open_calls).count()


def quota_frees_at(workspace: Workspace, now: datetime) -> datetime | None:
    """Return when the workspace's quota of 24 hours will allow a call, as far as is known now; None
    if it does, or if there is none.

    Calls that are open now count on from when they were sent.
    """
    if workspace.max_calls_per_day is None:
        return None
    made = _made_since(workspace, now - QUOTA_PERIOD)
    still_open = _still_open(workspace, Call.unscoped.open())
    ended = made.count()
    excess = ended + still_open.count() - workspace.max_calls_per_day
    if excess < 0:
        return None
    # So many and one more must be a day old.
    calls, position = (made, excess) if excess < ended else (still_open, excess - ended)
    sent = calls.annotate(sent_at=Coalesce("dialed_at", "intent_at", Value(now)))
    moments = sent.order_by("sent_at").values_list("sent_at", flat=True)
    oldest = next(iter(moments[position : position + 1]), now)
    return oldest + QUOTA_PERIOD


def _made_since(workspace: Workspace, since: datetime) -> QuerySet[Call]:
    """Return the outbound calls that have ended and rang, or may have rung, since then."""
    # A call may have been queued for a day before it was dialled, so ids of two days are read.
    lowest = lowest_id(since, later=-QUOTA_PERIOD)
    ended = Call.unscoped.filter(workspace=workspace, pk__gte=lowest, stage=Stage.ENDED)
    may_have_rung = Q(dialed_at__gt=since) | Q(outcome=Outcome.UNKNOWN, intent_at__gt=since)
    return ended.filter(may_have_rung, direction=Direction.OUTBOUND)


def _still_open(workspace: Workspace, open_calls: QuerySet[Call]) -> QuerySet[Call]:
    return open_calls.filter(workspace=workspace, direction=Direction.OUTBOUND)


def adopt_queued(owner: UUID, limit: int) -> list[UUID]:
    """Lease queued calls to `owner`, the oldest of each number first, within all limits.

    Returns at most `limit` call ids.
    """
    queued = Call.unscoped.filter(QUEUED).order_by("number_id")
    ids: list[UUID] = []
    for number_id in queued.values_list("number_id", flat=True).distinct():
        if len(ids) < limit:
            ids += _adopt_on_number(number_id, owner, limit - len(ids))
    return ids


def _adopt_on_number(number_id: UUID | None, owner: UUID, limit: int) -> list[UUID]:
    """Adopt in one transaction per number: a worker that waits for a lock holds no other."""
    with transaction.atomic():
        list(NumberPace.unscoped.select_for_update().filter(number=number_id))
        number = (
            PhoneNumber.unscoped.select_related("workspace").filter(pk=number_id).first()
            if number_id
            else None
        )
        # Calls of a number that was removed are adopted without a limit, to be refused.
        if number is not None:
            others = Call.unscoped.open().exclude(QUEUED)
            limit = min(limit, capacity_of_number(number, others))
            limit = _limit_to_budget(number, others, limit)
        if limit <= 0:
            return []
        waiting = (
            Call.unscoped.filter(QUEUED, number=number_id)
            .order_by("pk")
            .select_for_update(skip_locked=True)
        )
        ids = list(waiting.values_list("pk", flat=True)[:limit])
        Call.unscoped.filter(pk__in=ids).update(
            lease_owner=owner, lease_expires_at=database_now() + CALL_LEASE
        )
    return ids


def _limit_to_budget(number: PhoneNumber, open_calls: QuerySet[Call], limit: int) -> int:
    """Return how many of the number's queued calls the workspace's budget of the day allows."""
    workspace = number.workspace
    if limit <= 0 or workspace.max_cost_per_day is None:
        return limit
    now = database_now()
    if workspace.budget_spent_until is not None and workspace.budget_spent_until > now:
        return 0
    budget = budget_of_day(workspace, open_calls, now)
    assert budget is not None
    close_day_if_spent(workspace, budget, now)
    waiting = Call.unscoped.filter(QUEUED, number=number).order_by("agent_version_id")
    versions = waiting.values_list("agent_version_id", flat=True).distinct()
    expected = ExpectedCosts()
    # By the dearest of their agents, because their order may change until they are locked.
    return budget.calls_left(limit, max(map(expected.of, versions), default=0))
