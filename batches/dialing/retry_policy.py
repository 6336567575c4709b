"""When a recipient that was not reached is called again.

    retry = {"max_attempts": 3, "delay_minutes": [5, 60], "outcomes": ["busy", "no_answer"]}

The first retry comes 5 minutes after the first attempt, every later one 60 minutes after the one
before. Only attempts that count are counted: trouble of the trunk, the carrier or the platform is
free. Two optional keys refine it:

    "by_outcome": {"busy": [2, 10]}
        an outcome's own delays

    "next_day": {"after_attempts": 2, "shift_hours": 3}
        after every second attempt the next one waits a day and three hours, so that it comes at
        another time of day

The calling window holds for retries as for first calls, and `max_attempts` limits them all.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

# Outcomes that the next attempt may change. A wrong number stays wrong, and a refusal is respected.
RETRYABLE_OUTCOMES = ("busy", "no_answer", "voicemail", "screened", "carrier_error")
MAX_RETRY_ATTEMPTS = 10
MAX_RETRY_DELAY_MINUTES = 60 * 24 * 7


def retry_at(
    *, retry: Mapping[str, Any], attempts: int, outcome: str, now: datetime
) -> datetime | None:
    """Return when to call again after `attempts` counted attempts; None for never.

    `outcome` is that of the last attempt.
    """
    if outcome not in RETRYABLE_OUTCOMES or outcome not in retry["outcomes"]:
        return None
    if attempts >= retry["max_attempts"]:
        return None

    next_day = retry.get("next_day")
    if next_day and attempts % next_day["after_attempts"] == 0:
        return now + timedelta(days=1, hours=next_day["shift_hours"])
    delays: list[float] = retry.get("by_outcome", {}).get(outcome) or retry["delay_minutes"]
    # Attempts beyond the list wait as long as its last entry says.
    position = min(max(attempts, 1), len(delays)) - 1
    return now + timedelta(minutes=delays[position])
