"""Guessing is stopped after five tries in a quarter of an hour, wherever staff enter something
secret.

Counted in the database, for all processes together, and before the answer is known: of many at once
no more get in.
"""

import hashlib
from datetime import datetime, timedelta

from django.db.models import F

from accounts.models import StaffTry

MAX_ATTEMPTS = 5
WINDOW = timedelta(minutes=15)


def register_attempt(*what: object, now: datetime) -> int:
    """Count a try at `what` (an account and an address, say). 0: go on; else so many seconds must
    pass first.
    """
    scope = _scope(what)
    if not StaffTry.objects.filter(scope=scope, began_at__gt=now - WINDOW).update(
        count=F("count") + 1
    ):
        StaffTry.objects.update_or_create(scope=scope, defaults={"count": 1, "began_at": now})
    row = StaffTry.objects.get(scope=scope)
    return (
        max(1, round((row.began_at + WINDOW - now).total_seconds()))
        if row.count > MAX_ATTEMPTS
        else 0
    )


def reset_attempts(*what: object) -> None:
    """It succeeded: what was tried before does not count any more."""
    StaffTry.objects.filter(scope=_scope(what)).delete()


def prune(*, now: datetime) -> int:
    return StaffTry.objects.filter(began_at__lte=now - WINDOW).delete()[0]


def _scope(what: tuple[object, ...]) -> str:
    return hashlib.sha256("\n".join(map(str, what)).encode()).hexdigest()
