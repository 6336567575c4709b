"""When somebody who was not reached is called again.

    retry = {"max_attempts": 3, "delay_minutes": [5, 60], "outcomes": ["busy", "no_answer"]}

The first retry comes 5 minutes after the first attempt, the second and every later one 60 minutes after the last. Only
attempts that count are counted: trouble of the trunk, the carrier or the platform costs none.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

# What the callee, or the line, may answer differently next time. A wrong number stays wrong, and no means no.
RETRYABLE = ("busy", "no_answer", "voicemail", "carrier_error")
MAX_ATTEMPTS = 10
MAX_DELAY_MINUTES = 60 * 24 * 7


def retry_at(*, retry: Mapping[str, Any], attempts: int, outcome: str, now: datetime) -> datetime | None:
    """When to call again after `attempts` attempts that counted, the last with `outcome`; None: never."""
    if outcome not in RETRYABLE or outcome not in retry["outcomes"] or attempts >= retry["max_attempts"]:
        return None
    ladder: list[float] = retry["delay_minutes"]
    step = ladder[min(max(attempts, 1), len(ladder)) - 1]
    return now + timedelta(minutes=step)
