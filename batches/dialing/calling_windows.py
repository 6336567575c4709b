"""When a recipient may be called: pure functions of a number, a window and an instant.

    window = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}

Days are ISO weekdays (1 is Monday). A window is open from `start` up to, but not including, `end`,
by the wall clock; `end` may be "24:00". The timezone `recipient` is that of the number called: a
number with several zones must be inside the window in all of them, and a number without any is
never called. No window means any time. Public holidays close the day they fall on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from batches.dialing.number_zones import zones_of

RECIPIENT_ZONE = "recipient"
MAX_CLOSED = timedelta(days=60)  # a window that stays closed for longer counts as never open
Window = Mapping[str, Any]


def zones_for(e164: str, window: Window) -> tuple[str, ...]:
    """Return the zones in which the window must be open for this number to be called."""
    return zones_of(e164) if window["timezone"] == RECIPIENT_ZONE else (window["timezone"],)


def is_open(
    e164: str, window: Window | None, now: datetime, *, holidays_country: str | None = None
) -> bool:
    """Return whether this number may be called at `now`."""
    return opens_at(e164, window, now, holidays_country=holidays_country) == now


def opens_at(
    e164: str, window: Window | None, now: datetime, *, holidays_country: str | None = None
) -> datetime | None:
    """Return the first instant from `now` on at which this number may be called.

    That is `now` itself while the window is open. None means never: the number's zone is unknown,
    or its zones are never inside the window together.
    """
    if window is None:
        return now
    return first_opening(zones_for(e164, window), window, now, holidays_country=holidays_country)


def first_opening(
    zones: tuple[str, ...], window: Window, now: datetime, *, holidays_country: str | None = None
) -> datetime | None:
    """Return the first instant from `now` on at which the window is open in all of `zones`.

    None means never.
    """
    hours = Hours(
        days=frozenset(window["days"]),
        start=_minutes(window["start"]),
        end=_minutes(window["end"]),
        holidays_country=holidays_country,
    )
    minute = now.replace(second=0, microsecond=0)
    opening = _common_opening(tuple(sorted(zones)), hours, minute)
    return opening if opening is None else max(opening, now)


@dataclass(frozen=True)
class Hours:
    """A window, parsed. `start` and `end` are minutes after midnight."""

    days: frozenset[int]
    start: int
    end: int
    holidays_country: str | None

    def include(self, local: datetime) -> bool:
        """Return whether a local time is inside the window."""
        minutes = local.hour * 60 + local.minute
        return self.start <= minutes < self.end and self.include_day(local.date())

    def include_day(self, day: date) -> bool:
        """Return whether the window opens on this day."""
        if self.holidays_country and day in _holidays(self.holidays_country, day.year):
            return False
        return day.isoweekday() in self.days


@lru_cache(maxsize=50_000)
def _common_opening(zones: tuple[str, ...], hours: Hours, minute: datetime) -> datetime | None:
    """Return as `first_opening`, from a whole minute on: windows change at whole minutes only."""
    instant = minute
    while zones and instant - minute < MAX_CLOSED:
        latest = instant
        for zone in zones:
            opening = _opening(ZoneInfo(zone), hours, instant)
            if opening is None:
                return None
            latest = max(latest, opening)
        if latest == instant:
            return instant
        # Open in the last zone; the others may have closed again by then.
        instant = latest
    return None


def _opening(zone: ZoneInfo, hours: Hours, since: datetime) -> datetime | None:
    """Return the first instant from `since` on at which the window is open in one zone."""
    local = since.astimezone(zone)
    if hours.include(local):
        return since
    opens_later_today = local.hour * 60 + local.minute < hours.start
    for days_ahead in range(0 if opens_later_today else 1, MAX_CLOSED.days):
        day = local.date() + timedelta(days=days_ahead)
        if not hours.include_day(day):
            continue
        start = datetime.combine(day, time(hours.start // 60, hours.start % 60), tzinfo=zone)
        # Both readings of a wall clock time in the hour that the end of summer time repeats.
        for fold in (0, 1):
            instant = start.replace(fold=fold).astimezone(UTC)
            # In the hour that summer time skips, the wall clock may already be past the window.
            if instant >= since and hours.include(instant.astimezone(zone)):
                return instant
    return None


@lru_cache(maxsize=1_000)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
