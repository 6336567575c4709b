"""How many more calls a number may have; and the calls somebody queued one by one, as far as there
is room for them.

Limits are counted under the lock of the number's pace (and of the workspace's row, where it has a
limit of its own), so that they are never exceeded by even one, whatever dies: the count is made of
open calls, not of a counter that a killed worker would leave behind.
"""

from datetime import timedelta
from math import ceil
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Workspace
from telephony.dialing.intents import LEASE
from telephony.models import Call, Direction, NumberPace, Outcome, PhoneNumber, Stage
from voiceops.core.clock import database_now
from voiceops.core.ids import lowest_id

QUEUED = Q(
    stage=Stage.RESERVED, lease_owner=None, direction=Direction.OUTBOUND
)  # by POST /calls; no shift has it yet
DAY = timedelta(days=1)
AHEAD_SECONDS = 2.0  # reserve so much of the pace ahead: rooms and agents need time


def ahead_of(calls_per_second: float) -> int:
    """How many calls may be reserved, waiting for their slots."""
    return max(2, ceil(calls_per_second * AHEAD_SECONDS))


def capacity_of_number(number: PhoneNumber, open_calls: QuerySet[Call]) -> int:
    """How many calls may be reserved now beside `open_calls`; negative when there are too many
    already.
    """
    on_number = open_calls.filter(number=number)
    rooms = [
        number.max_concurrent_calls - on_number.count(),
        ahead_of(number.calls_per_second) - on_number.filter(stage=Stage.RESERVED).count(),
    ]
    workspace = number.workspace
    if workspace.max_concurrent_calls is not None or workspace.max_calls_per_day is not None:
        workspace.lock()
    if workspace.max_concurrent_calls is not None:
        rooms.append(
            workspace.max_concurrent_calls - open_calls.filter(workspace=workspace).count()
        )
    if workspace.max_calls_per_day is not None:
        rooms.append(workspace.max_calls_per_day - calls_of_the_day(workspace, open_calls))
    return min(rooms)


def calls_of_the_day(workspace: Workspace, open_calls: QuerySet[Call]) -> int:
    """How many calls the workspace has made in 24 hours that rang or may have, and makes now.

    Found among the ids of two days: a call may have been queued for one before it was dialled.
    """
    since = database_now() - DAY
    made = Call.unscoped.filter(
        workspace=workspace, pk__gte=lowest_id(since, later=-DAY), stage=Stage.ENDED
    )
    rang = Q(dialed_at__gt=since) | Q(outcome=Outcome.UNKNOWN, intent_at__gt=since)
    now = open_calls.filter(workspace=workspace, direction=Direction.OUTBOUND)
    return made.filter(rang, direction=Direction.OUTBOUND).count() + now.count()


def adopt_queued(owner: UUID, limit: int) -> list[UUID]:
    """Lease queued calls, the oldest of each number first, until `limit` or their numbers are full."""
    ids: list[UUID] = []
    for number_id in (
        Call.unscoped.filter(QUEUED)
        .order_by("number_id")
        .values_list("number_id", flat=True)
        .distinct()
    ):
        if len(ids) < limit:
            ids += adopt_on(number_id, owner, limit - len(ids))
    return ids


def adopt_on(number_id: UUID | None, owner: UUID, most: int) -> list[UUID]:
    """A transaction for each number, as claims have: nobody holds one number's lock and waits for
    another's.
    """
    with transaction.atomic():
        list(NumberPace.unscoped.select_for_update().filter(number=number_id))
        numbers = PhoneNumber.unscoped.select_related("workspace").filter(
            pk__in=[number_id] if number_id else []
        )
        for number in numbers:  # one at most; calls of one that is gone are taken to be refused
            most = min(most, capacity_of_number(number, Call.unscoped.open().exclude(QUEUED)))
        if most <= 0:
            return []
        waiting = (
            Call.unscoped.filter(QUEUED, number=number_id)
            .order_by("pk")
            .select_for_update(skip_locked=True)
        )
        ids = list(waiting.values_list("pk", flat=True)[:most])
        Call.unscoped.filter(pk__in=ids).update(
            lease_owner=owner, lease_expires_at=database_now() + LEASE
        )
    return ids
