"""Limits guessing of staff passwords and codes: five attempts in a quarter of an hour.

Attempts are counted in the database, for all processes together, and before the outcome is known,
so that parallel guesses do not get past the limit.
"""

import hashlib
from datetime import datetime, timedelta

from django.db.models import F

from accounts.models import StaffTry

MAX_ATTEMPTS = 5
ATTEMPT_WINDOW = timedelta(minutes=15)


def register_attempt(*subject: object, now: datetime) -> int:
    """Count an attempt at `subject`, for example an account and an IP address.

    Returns 0 when the attempt may go ahead, else the seconds to wait.
    """
    scope = _scope(subject)
    # Counting comes before checking: of many parallel attempts no more than the limit pass.
    recent = StaffTry.objects.filter(scope=scope, began_at__gt=now - ATTEMPT_WINDOW)
    if not recent.update(count=F("count") + 1):
        StaffTry.objects.update_or_create(scope=scope, defaults={"count": 1, "began_at": now})

    row = StaffTry.objects.get(scope=scope)
    if row.count <= MAX_ATTEMPTS:
        return 0
    return max(1, round((row.began_at + ATTEMPT_WINDOW - now).total_seconds()))


def reset_attempts(*subject: object) -> None:
    """Forget the attempts at `subject`, because one has succeeded."""
    StaffTry.objects.filter(scope=_scope(subject)).delete()


def prune(*, now: datetime) -> int:
    """Delete counters whose window is over. Returns how many."""
    return StaffTry.objects.filter(began_at__lte=now - ATTEMPT_WINDOW).delete()[0]


def _scope(subject: tuple[object, ...]) -> str:
    return hashlib.sha256("\n".join(map(str, subject)).encode()).hexdigest()
