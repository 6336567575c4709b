"""How long a list takes: who may be called when, at which pace, over how many lines at once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from batches.dialing.calling_windows import Window, first_opening, zones_for
from batches.models import Batch

# What a call takes where nobody knows better: half of the people answer and talk for a minute, the
# rest let it ring.
RING_SECONDS, TALK_SECONDS, ANSWERING = 15.0, 60.0, 0.5
HOLD_SECONDS = RING_SECONDS + ANSWERING * TALK_SECONDS
MAX_WINDOW_DAYS = 1_000
Wave = tuple[datetime, tuple[str, ...], int]


@dataclass(frozen=True)
class Pace:
    """Calls per second as configured, and calls at once."""

    per_second: float
    max_concurrent: int

    @classmethod
    def of(cls, batch: Batch) -> "Pace":
        """The tightest of the limits of the batch, its number and its workspace."""
        number = batch.phone_number
        assert number is not None
        lines = (
            batch.max_concurrent_calls,
            number.max_concurrent_calls,
            batch.workspace.max_concurrent_calls,
        )
        return cls(
            per_second=min(
                batch.calls_per_second or number.calls_per_second, number.calls_per_second
            ),
            max_concurrent=min(limit for limit in lines if limit is not None),
        )

    @property
    def channels_needed(self) -> int:
        """Lines that are busy at once if the pace is kept."""
        return ceil(self.per_second * HOLD_SECONDS)

    @property
    def sustained(self) -> float:
        """Calls per second that the lines allow."""
        return min(self.per_second, self.max_concurrent / HOLD_SECONDS)


def estimate_calling(
    people: Mapping[str, int],
    *,
    window: Window | None,
    holidays_country: str | None,
    pace: Pace,
    begin: datetime,
) -> dict[str, Any]:
    """When people may be called from `begin` on, and when the last of them has been: `{a number:
    how many like it}`.
    """
    waves, never = _waves(people, window, holidays_country, begin)
    end = begin
    for opening, zones, count in sorted(waves):
        end = _add_calling_time(
            max(end, opening), count / pace.sustained, zones, window, holidays_country
        )
    at_once = sum(count for opening, _, count in waves if opening == begin)
    return {
        "now": at_once,
        "later": sum(count for _, _, count in waves) - at_once,
        "never": never,
        "first_call_at": min(waves)[0] if waves else None,
        "estimated_end_at": end if waves else None,
        "calls_per_second": round(pace.sustained, 3),
        "channels_needed": pace.channels_needed,
    }


def _waves(
    people: Mapping[str, int], window: Window | None, country: str | None, begin: datetime
) -> tuple[list[Wave], int]:
    """Those who share their zones, with the instant they may first be called; and how many never
    may.
    """
    if window is None:
        return ([(begin, (), sum(people.values()))] if people else []), 0
    sharing: Counter[tuple[str, ...]] = Counter()
    for number, count in people.items():
        sharing[zones_for(number, window)] += count
    waves: list[Wave] = []
    for zones, count in sharing.items():
        opening = first_opening(zones, window, begin, holidays_country=country)
        if opening is not None:
            waves.append((opening, zones, count))
    return waves, sharing.total() - sum(count for _, _, count in waves)


def _add_calling_time(
    at: datetime, seconds: float, zones: tuple[str, ...], window: Window | None, country: str | None
) -> datetime:
    """When so many seconds of calling are over, hours outside the window left out."""
    if window is None:
        return at + timedelta(seconds=seconds)
    for _ in range(MAX_WINDOW_DAYS):
        opening = first_opening(zones, window, at, holidays_country=country)
        if opening is None:
            break
        closing = min(_closing(zone, window, opening) for zone in zones)
        left = (closing - opening).total_seconds()
        if seconds <= left:
            return opening + timedelta(seconds=seconds)
        seconds, at = seconds - left, closing
    return at


def _closing(zone: str, window: Window, since: datetime) -> datetime:
    """The end of the window on the day that a zone has at `since`."""
    hours, minutes = (int(part) for part in window["end"].split(":"))
    midnight = since.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(hours=hours, minutes=minutes)).astimezone(UTC)
