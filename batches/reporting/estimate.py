"""Estimates how long calling a list takes: by calling window, pace and channels."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from batches.dialing.calling_windows import Window, first_opening, zones_for
from batches.models import Batch

# Assumed before anything is measured: half of the recipients answer and talk for a minute, the
# others let it ring.
AVERAGE_RING_SECONDS = 15.0
AVERAGE_TALK_SECONDS = 60.0
ANSWERED_SHARE = 0.5
AVERAGE_CALL_SECONDS = AVERAGE_RING_SECONDS + ANSWERED_SHARE * AVERAGE_TALK_SECONDS
MAX_WINDOW_DAYS = 1_000


@dataclass(frozen=True)
class Pace:
    """Calls per second as configured, and calls at once."""

    per_second: float
    max_concurrent: int

    @classmethod
    def of(cls, batch: Batch) -> "Pace":
        """Return the tightest limits of the batch, its number and its workspace."""
        number = batch.phone_number
        assert number is not None
        per_second = batch.calls_per_second or number.calls_per_second
        concurrency_limits = (
            batch.max_concurrent_calls,
            number.max_concurrent_calls,
            batch.workspace.max_concurrent_calls,
        )
        return cls(
            per_second=min(per_second, number.calls_per_second),
            max_concurrent=min(limit for limit in concurrency_limits if limit is not None),
        )

    @property
    def channels_needed(self) -> int:
        """Channels that are busy at once if the configured pace is kept."""
        return ceil(self.per_second * AVERAGE_CALL_SECONDS)

    @property
    def sustained(self) -> float:
        """Calls per second that the channels allow."""
        return min(self.per_second, self.max_concurrent / AVERAGE_CALL_SECONDS)


class _Group(NamedTuple):
    """Recipients who share their time zones, and when they may first be called."""

    opening: datetime
    zones: tuple[str, ...]
    size: int


def estimate_calling(
    recipients: Mapping[str, int],
    *,
    window: Window | None,
    holidays_country: str | None,
    pace: Pace,
    begin: datetime,
) -> dict[str, Any]:
    """Return the contract's `calling`: who may be called from `begin` on, and when the last was.

    `recipients` maps a number to how many recipients lie in the same time zones.
    """
    groups = _group_by_opening(recipients, window, holidays_country, begin)
    total = sum(group.size for group in groups)
    now = sum(group.size for group in groups if group.opening == begin)

    # One group after the other: they share the channels, and earlier ones are called first.
    end = begin
    for group in groups:
        seconds = group.size / pace.sustained
        start = max(end, group.opening)
        end = _add_calling_time(start, seconds, group.zones, window, holidays_country)
    return {
        "now": now,
        "later": total - now,
        "never": sum(recipients.values()) - total,
        "first_call_at": groups[0].opening if groups else None,
        "estimated_end_at": end if groups else None,
        "calls_per_second": round(pace.sustained, 3),
        "channels_needed": pace.channels_needed,
    }


def _group_by_opening(
    recipients: Mapping[str, int], window: Window | None, country: str | None, begin: datetime
) -> list[_Group]:
    """Group the recipients who may ever be called; the earliest group comes first."""
    if window is None:
        return [_Group(begin, (), sum(recipients.values()))] if recipients else []

    count_by_zones: Counter[tuple[str, ...]] = Counter()
    for number, count in recipients.items():
        count_by_zones[zones_for(number, window)] += count
    groups: list[_Group] = []
    for zones, count in count_by_zones.items():
        opening = first_opening(zones, window, begin, holidays_country=country)
        if opening is not None:
            groups.append(_Group(opening, zones, count))
    return sorted(groups)


def _add_calling_time(
    start: datetime,
    seconds: float,
    zones: tuple[str, ...],
    window: Window | None,
    country: str | None,
) -> datetime:
    """Return when that many seconds of calling are over; time outside the window does not count."""
    if window is None:
        return start + timedelta(seconds=seconds)

    at = start
    for _ in range(MAX_WINDOW_DAYS):
        opening = first_opening(zones, window, at, holidays_country=country)
        if opening is None:
            break
        # A recipient in one of several possible zones is called only while all are open.
        closing = min(_closing(zone, window, opening) for zone in zones)
        open_seconds = (closing - opening).total_seconds()
        if seconds <= open_seconds:
            return opening + timedelta(seconds=seconds)
        seconds -= open_seconds
        at = closing
    return at


def _closing(zone: str, window: Window, at: datetime) -> datetime:
    """Return the end of the window on the day that the zone has at that instant."""
    hours, minutes = (int(part) for part in window["end"].split(":"))
    midnight = at.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(hours=hours, minutes=minutes)).astimezone(UTC)
