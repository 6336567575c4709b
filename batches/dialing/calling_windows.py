"""When a person may be called: pure functions over a number, a window and an instant.

    window = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}

Days are ISO weekdays (1 is Monday). A window is open from `start` up to, not including, `end`, by
the wall clock; `end` may be "24:00". `recipient` means the zone of the number called: a number of
several zones must be inside the window in all of them, one of none is never called. No window means
any time. Holidays close the day they fall on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import holidays
import phonenumbers
from phonenumbers import timezone as number_zones

RECIPIENT = "recipient"
FARTHEST = timedelta(days=60)  # what stays closed for longer never opens
NO_ZONE = "Etc/Unknown"
Window = Mapping[str, Any]


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def has_holidays(country: str) -> bool:
    """Whether the public holidays of a country (ISO 3166-1, two letters) are known."""
    return country in holidays.list_supported_countries()


@lru_cache(maxsize=20_000)
def zones_of(e164: str) -> tuple[str, ...]:
    """The time zones a number may lie in: one for most, dozens for toll-free numbers, none when
    nobody knows.
    """
    try:
        names = number_zones.time_zones_for_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(name for name in names if name != NO_ZONE and name in zone_names())


def zones_for(e164: str, window: Window) -> tuple[str, ...]:
    """The zones in which the window must be open for this number to be called."""
    return zones_of(e164) if window["timezone"] == RECIPIENT else (window["timezone"],)


def is_open(
    e164: str, window: Window | None, now: datetime, *, holidays_country: str | None = None
) -> bool:
    """Whether this number may be called at `now`."""
    return opens_at(e164, window, now, holidays_country=holidays_country) == now


def opens_at(
    e164: str, window: Window | None, now: datetime, *, holidays_country: str | None = None
) -> datetime | None:
    """The first instant from `now` on at which this number may be called; `now` itself while the
    window is open.

    None: never, because the number's zone is unknown, or its zones are never inside the window
    together.
    """
    if window is None:
        return now
    return first_opening(zones_for(e164, window), window, now, holidays_country=holidays_country)


def first_opening(
    zones: tuple[str, ...], window: Window, now: datetime, *, holidays_country: str | None = None
) -> datetime | None:
    """The first instant from `now` on at which the window is open in all of `zones`; None: never."""
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
    days: frozenset[int]
    start: int  # minutes after midnight
    end: int
    holidays_country: str | None

    def hold(self, local: datetime) -> bool:
        """Whether a clock on the wall that shows `local` is inside the window."""
        return self.start <= local.hour * 60 + local.minute < self.end and self.open_on(
            local.date()
        )

    def open_on(self, day: date) -> bool:
        return day.isoweekday() in self.days and not (
            self.holidays_country and day in _holidays(self.holidays_country, day.year)
        )


@lru_cache(maxsize=50_000)
def _common_opening(zones: tuple[str, ...], hours: Hours, minute: datetime) -> datetime | None:
    """As `first_opening`, from a whole minute on: zones and windows change at whole minutes only."""
    instant = minute
    while zones and instant - minute < FARTHEST:
        latest = instant
        for zone in zones:
            opening = _opening(ZoneInfo(zone), hours, instant)
            if opening is None:
                return None
            latest = max(latest, opening)
        if latest == instant:
            return instant
        instant = latest
    return None


def _opening(zone: ZoneInfo, hours: Hours, since: datetime) -> datetime | None:
    """The first instant from `since` on at which the window is open in one zone."""
    local = since.astimezone(zone)
    if hours.hold(local):
        return since
    later_today = local.hour * 60 + local.minute < hours.start
    for ahead in range(0 if later_today else 1, FARTHEST.days):
        day = local.date() + timedelta(days=ahead)
        if not hours.open_on(day):
            continue
        start = datetime.combine(day, time(hours.start // 60, hours.start % 60), tzinfo=zone)
        for fold in (0, 1):  # the hour that summer time repeats when it ends
            instant = start.replace(fold=fold).astimezone(UTC)
            # In the hour that summer time skips, the clock on the wall may already be past the
            # window.
            if instant >= since and hours.hold(instant.astimezone(zone)):
                return instant
    return None


@lru_cache(maxsize=1_000)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
