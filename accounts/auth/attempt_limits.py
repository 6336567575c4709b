"""Limits guessing of passwords and codes, for staff: five attempts in a quarter of an hour.

Attempts are counted in the database, for all processes together, and before the outcome is known,
so that parallel guesses do not get past the limit.
"""

import hashlib
import math
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import StaffTry
from voiceops.core.ids import uuid7

MAX_ATTEMPTS = 5
ATTEMPT_WINDOW = timedelta(minutes=15)


class Attempts(NamedTuple):
    """How many attempts there were, and when their window is over."""

    made: int
    window_ends_at: datetime


def register_attempt(
    *subject: object,
    now: datetime,
    limit: int = MAX_ATTEMPTS,
    window: timedelta = ATTEMPT_WINDOW,
) -> int:
    """Count an attempt at `subject`, for example an account and an IP address.

    Returns 0 when the attempt may go ahead, else the seconds to wait.
    """
    attempts = count_attempt(*subject, now=now, window=window)
    if attempts.made <= limit:
        return 0
    return max(1, math.ceil((attempts.window_ends_at - now).total_seconds()))


def count_attempt(*subject: object, now: datetime, window: timedelta) -> Attempts:
    """Count an attempt at `subject`, and return all of its window."""
    scope = _scope(subject)
    # The row stays locked until its count is read: each attempt has a number of its own.
    with transaction.atomic():
        _count(scope, now, window)
        row = StaffTry.objects.get(scope=scope)
    return Attempts(row.count, row.began_at + window)


def reset_attempts(*subject: object) -> None:
    """Forget the attempts at `subject`, because one has succeeded."""
    StaffTry.objects.filter(scope=_scope(subject)).delete()


def prune(*, now: datetime, window: timedelta = ATTEMPT_WINDOW) -> int:
    """Delete counters whose window is over. Returns how many."""
    return StaffTry.objects.filter(began_at__lte=now - window).delete()[0]


def _count(scope: str, now: datetime, window: timedelta) -> None:
    """Add one to the counter, or begin a new one. Every step is one statement."""
    rows = StaffTry.objects.filter(scope=scope)
    since = now - window
    while True:
        if rows.filter(began_at__gt=since).update(count=F("count") + 1):
            return
        # Of attempts that find an old counter at the same moment, one begins it again.
        if rows.filter(began_at__lte=since).update(count=1, began_at=now):
            return
        try:
            with transaction.atomic():
                StaffTry.objects.create(id=uuid7(), scope=scope, count=1, began_at=now)
        except IntegrityError:
            continue  # another attempt has just made it
        return


def _scope(subject: tuple[object, ...]) -> str:
    return hashlib.sha256("\n".join(map(str, subject)).encode()).hexdigest()
