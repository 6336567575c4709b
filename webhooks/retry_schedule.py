"""When a delivery is sent again: ten attempts over three days, so that a receiver may be down for
a weekend.
"""

import random
from datetime import datetime, timedelta

# Seconds after each failed attempt; even with the shortest jitter they add up to over 72 hours.
RETRY_DELAYS_SECONDS = (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 50 * 3600)
MAX_DELIVERY_ATTEMPTS = len(RETRY_DELAYS_SECONDS) + 1
# Deliveries that failed in the same outage would otherwise all return in the same second.
RETRY_JITTER = 0.2
MAX_RETRY_AFTER_SECONDS = 24 * 3600.0  # longer Retry-After headers are cut to this
# Longer than the schedule above, so that a delivery has all its attempts before this ends them.
DISABLE_ENDPOINT_AFTER = timedelta(days=5)  # in which no attempt has succeeded


def next_attempt_at(
    *, attempts: int, now: datetime, retry_after: float | None = None
) -> datetime | None:
    """Return when to try again after `attempts` failed attempts, or None after the last.

    `retry_after` is the receiver's Retry-After in seconds; it can only lengthen the delay.
    """
    if attempts >= MAX_DELIVERY_ATTEMPTS:
        return None
    # Spreads load, guards nothing.
    jitter = random.uniform(1 - RETRY_JITTER, 1 + RETRY_JITTER)  # noqa: S311
    delay = RETRY_DELAYS_SECONDS[attempts - 1] * jitter
    requested = min(retry_after or 0.0, MAX_RETRY_AFTER_SECONDS)
    return now + timedelta(seconds=max(delay, requested))
