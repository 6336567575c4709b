"""How many more calls a number may have; and the calls somebody queued one by one, as far as there is room for them.

Limits are counted under the lock of the number's pace (and of the workspace's row, where it has a limit of its own), so
that they are never exceeded by even one, whatever dies: the count is made of open calls, not of a counter that a
killed worker would leave behind.
"""

from math import ceil
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from telephony.dialing.rows import LEASE
from telephony.models import Call, Direction, NumberPace, PhoneNumber, Stage
from voiceops.clock import database_now

QUEUED = Q(stage=Stage.RESERVED, lease_owner=None, direction=Direction.OUTBOUND)  # by POST /calls; no shift has it yet
AHEAD_SECONDS = 2.0  # reserve so much of the pace ahead: rooms and agents need time


def ahead_of(calls_per_second: float) -> int:
    """How many calls may be reserved, waiting for their slots."""
    return max(2, ceil(calls_per_second * AHEAD_SECONDS))


def room_on_number(number: PhoneNumber, open_calls: QuerySet[Call]) -> int:
    """How many calls may be reserved now beside `open_calls`; negative when there are too many already."""
    on_number = open_calls.filter(number=number)
    rooms = [
        number.max_concurrent_calls - on_number.count(),
        ahead_of(number.calls_per_second) - on_number.filter(stage=Stage.RESERVED).count(),
    ]
    workspace = number.workspace
    if workspace.max_concurrent_calls is not None:
        workspace.lock()
        rooms.append(workspace.max_concurrent_calls - open_calls.filter(workspace=workspace).count())
    return min(rooms)


def adopt_queued(owner: UUID, limit: int) -> list[UUID]:
    """Lease queued calls, the oldest of each number first, until `limit` or their numbers are full."""
    ids: list[UUID] = []
    for number_id in Call.unscoped.filter(QUEUED).order_by("number_id").values_list("number_id", flat=True).distinct():
        if len(ids) < limit:
            ids += adopt_on(number_id, owner, limit - len(ids))
    return ids


def adopt_on(number_id: UUID | None, owner: UUID, most: int) -> list[UUID]:
    """A transaction for each number, as claims have: nobody holds one number's lock and waits for another's."""
    with transaction.atomic():
        list(NumberPace.unscoped.select_for_update().filter(number=number_id))
        numbers = PhoneNumber.unscoped.select_related("workspace").filter(pk__in=[number_id] if number_id else [])
        for number in numbers:  # one at most; calls of one that is gone are taken to be refused
            most = min(most, room_on_number(number, Call.unscoped.open().exclude(QUEUED)))
        if most <= 0:
            return []
        waiting = Call.unscoped.filter(QUEUED, number=number_id).order_by("pk").select_for_update(skip_locked=True)
        ids = list(waiting.values_list("pk", flat=True)[:most])
        Call.unscoped.filter(pk__in=ids).update(lease_owner=owner, lease_expires_at=database_now() + LEASE)
    return ids
