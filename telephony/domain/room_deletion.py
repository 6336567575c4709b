"""Who deletes the room of a call, and when: the one place that decides it.

LiveKit's DeleteRoom is not atomic. Of two that come within some 85 ms, the second brings the room
back, with the agent's dispatch, and a new agent sits in it for five minutes. So a room is deleted
by one process at a time, which has claimed it in the call's row:

- at the end of a call its agent gets a moment to leave and to delete the room itself; whoever looks
  after due rooms next (`telephony/dialing/room_deleter.py`) then deletes what is still there;
- at once, when a telephone must fall silent (an operator, a lost agent) or nobody will come (a call
  that was never sent).

A room that LiveKit reports as finished is not deleted again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from telephony.models import Call, Direction, Stage
from voiceops.core.clock import database_now

# From the end of a call: the agent notices within a second or two, says its last words to us, and
# deletes the room itself where it is set up so.
AGENT_LEAVE_TIME = timedelta(seconds=3)
# Between two requests for one room. LiveKit needs a tenth of that to forget it.
MIN_DELETION_INTERVAL = timedelta(seconds=1)
DELETION_RETRY_INTERVAL = timedelta(seconds=5)  # after a failure, or a process that died
# By then LiveKit has closed the room by its own timeouts.
MAX_DELETION_TIME = timedelta(minutes=10)
DELETION_CHUNK_ROOMS = 200


def deletion_time(call: Call, ended_at: datetime) -> datetime | None:
    """Return when the room of a call that ended at this time is due; None for nothing to delete.

    A call that was never sent has at most a room of its dispatcher's, which closes it at once.
    """
    has_room = call.intent_at is not None or call.direction == Direction.INBOUND
    if not has_room or call.room_claimed_at is not None:
        return None
    return ended_at + AGENT_LEAVE_TIME


def claim(call: Call) -> bool:
    """Claim the room for a deletion at once; False when it was claimed less than a second ago."""
    now = database_now()
    free = Q(room_claimed_at=None) | Q(room_claimed_at__lte=now - MIN_DELETION_INTERVAL)
    # Until the deletion has succeeded it is due again: the process may die before it asks.
    claimed = Call.unscoped.filter(free, pk=call.pk).update(
        room_claimed_at=now, room_delete_at=now + DELETION_RETRY_INTERVAL
    )
    if claimed:
        call.room_claimed_at = now
    return bool(claimed)


def claim_due() -> list[Call]:
    """Claim a chunk of the rooms that are due, and return their calls."""
    with transaction.atomic():
        now = database_now()
        free = Q(room_claimed_at=None) | Q(room_claimed_at__lte=now - MIN_DELETION_INTERVAL)
        ended = Call.unscoped.filter(free, stage=Stage.ENDED, room_delete_at__lte=now)
        due = ended.order_by("room_delete_at")
        calls = list(due.select_for_update(skip_locked=True)[:DELETION_CHUNK_ROOMS])
        Call.unscoped.filter(pk__in=[call.pk for call in calls]).update(
            room_claimed_at=now, room_delete_at=now + DELETION_RETRY_INTERVAL
        )
    return calls


def has_due() -> bool:
    """Return whether any room is due for deletion."""
    due = Call.unscoped.filter(stage=Stage.ENDED, room_delete_at__lte=database_now())
    return due.exists()


def forget(ids: Iterable[object]) -> None:
    """Record that the rooms of these calls are gone, or close by themselves."""
    kept = Call.unscoped.filter(pk__in=list(ids), room_delete_at__isnull=False)
    kept.update(room_delete_at=None)


def release(ids: Iterable[object]) -> None:
    """Give back rooms that LiveKit did not delete: those of ended calls stay due."""
    rows = Call.unscoped.filter(pk__in=list(ids))
    rows.update(room_claimed_at=None)
    rows.open().update(room_delete_at=None)


def is_given_up(call: Call, now: datetime) -> bool:
    """Return whether a room that could not be deleted is left to LiveKit's own timeouts."""
    return call.ended_at is not None and now - call.ended_at > MAX_DELETION_TIME
