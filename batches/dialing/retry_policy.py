"""When somebody who was not reached is called again.

    retry = {"max_attempts": 3, "delay_minutes": [5, 60], "outcomes": ["busy", "no_answer"]}

The first retry comes 5 minutes after the first attempt, the second and every later one 60 minutes
after the last. Only attempts that count are counted: trouble of the trunk, the carrier or the
platform costs none. Two more keys refine it:

    "by_outcome": {"busy": [2, 10]}                          a ladder of its own for an outcome
    "next_day": {"after_attempts": 2, "shift_hours": 3}      after every second attempt a day's
    rest, and three hours
                                                             more, so that people are tried at
                                                             another time of day

The calling window holds for retries as for first calls; `max_attempts` caps them all.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

# What the callee, or the line, may answer differently next time. A wrong number stays wrong, and no
# means no.
RETRYABLE = ("busy", "no_answer", "voicemail", "carrier_error")
MAX_ATTEMPTS = 10
MAX_DELAY_MINUTES = 60 * 24 * 7


def retry_at(
    *, retry: Mapping[str, Any], attempts: int, outcome: str, now: datetime
) -> datetime | None:
    """When to call again after `attempts` attempts that counted, the last with `outcome`; None:
    never.
    """
    if (
        outcome not in RETRYABLE
        or outcome not in retry["outcomes"]
        or attempts >= retry["max_attempts"]
    ):
        return None
    rest = retry.get("next_day")
    if rest and attempts % rest["after_attempts"] == 0:
        return now + timedelta(days=1, hours=rest["shift_hours"])
    ladder: list[float] = retry.get("by_outcome", {}).get(outcome) or retry["delay_minutes"]
    step = ladder[min(max(attempts, 1), len(ladder)) - 1]
    return now + timedelta(minutes=step)
