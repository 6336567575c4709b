"""When the next INVITE may leave a number: the arithmetic of calls per second, in one place.

Nothing here reads or locks a row. A caller holds the lock of the number's pace, and of the batches
that have a pace of their own, from the choice of a slot until the new `next_slot_at` is committed:
that keeps calls per second exact across workers and machines.
"""

from datetime import datetime, timedelta
from math import ceil

from telephony.dialing.protocol import MIN_RESERVED_AHEAD, PACE_UTILIZATION, RESERVE_AHEAD_SECONDS
from telephony.models import NumberPace


def slot_interval(calls_per_second: float) -> timedelta:
    """Return the time between two slots of a pace."""
    return timedelta(seconds=1 / (PACE_UTILIZATION * calls_per_second))


def choose_slot(pace: NumberPace, *, now: datetime, not_before: datetime | None = None) -> datetime:
    """Return the first slot that the number's pace and its back-off allow.

    `not_before` is the next slot of the batch's own pace, where the batch has one. The slot is
    free until `occupy_slot` is called.
    """
    bounds = (now, pace.next_slot_at, pace.backoff_until, not_before)
    return max(bound for bound in bounds if bound is not None)


def occupy_slot(pace: NumberPace, slot: datetime) -> None:
    """Move the number's next slot behind this one; the caller saves `next_slot_at`."""
    pace.next_slot_at = slot + slot_interval(pace.number.calls_per_second)


def calls_ahead(calls_per_second: float) -> int:
    """Return how many calls may be reserved at a time, waiting for their slots."""
    return max(MIN_RESERVED_AHEAD, ceil(calls_per_second * RESERVE_AHEAD_SECONDS))
