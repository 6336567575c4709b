"""When a delivery is tried again: ten tries over three days, so that a receiver may be down for a
weekend.
"""

import random
from datetime import datetime, timedelta

# Seconds after each failed try; their sum, less the jitter, is more than 72 hours.
DELAYS = (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 50 * 3600)
TRIES = len(DELAYS) + 1
JITTER = 0.2
LONGEST_WISH = 24 * 3600.0  # of a receiver's Retry-After
GIVES_UP_AFTER = timedelta(days=5)  # of failures only, an endpoint is disabled


def next_try(*, attempts: int, now: datetime, retry_after: float | None = None) -> datetime | None:
    """When to try again after `attempts` failed tries; None when that was the last."""
    if attempts >= TRIES:
        return None
    delay = DELAYS[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
    return now + timedelta(seconds=max(delay, min(retry_after or 0.0, LONGEST_WISH)))
