"""The hours in which calls may be placed, by the wall clock of one time zone or of several.

Hours change at whole minutes. A span over midnight belongs to the day on which it starts; a closed
day closes its spans and what the day before left open. In the hour that the end of summer time
repeats, only the first passage counts, so no span is twice as long; days that are open from
midnight to midnight have no hours to repeat. An hour that the start of summer time skips does not
exist, and nothing is open in it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from voiceops.core.holiday_library import holidays

DAY_MINUTES = 24 * 60
MAX_CLOSED = timedelta(days=60)  # hours that stay closed for longer count as never open
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes after midnight on some ISO weekdays; an `end` past 1440 lies on the next day."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CallingHours:
    """Spans and the days on which they stay closed.

    `country` and `region` (ISO 3166) name the public holidays that close; empty for none.
    """

    spans: tuple[Span, ...]
    closed_dates: frozenset[date] = frozenset()
    country: str = ""
    region: str = ""

    def is_closed(self, day: date) -> bool:
        """Return whether nothing is open on this day."""
        if day in self.closed_dates:
            return True
        return bool(self.country) and day in public_holidays(self.country, self.region, day.year)

    def minutes_on(self, day: date) -> list[tuple[int, int]]:
        """Return the open stretches of a day, in minutes after midnight, in order."""
        if self.is_closed(day):
            return []
        yesterday = day - ONE_DAY
        was_closed = self.is_closed(yesterday)
        stretches: list[tuple[int, int]] = []
        for span in self.spans:
            if day.isoweekday() in span.days:
                stretches.append((span.start, min(span.end, DAY_MINUTES)))
            if span.end > DAY_MINUTES and yesterday.isoweekday() in span.days and not was_closed:
                stretches.append((0, span.end - DAY_MINUTES))
        return _merged(stretches)


class Stretch(NamedTuple):
    """Open from `start` (UTC) until before `end`."""

    start: datetime
    end: datetime


@lru_cache(maxsize=20_000)
def common_opening(zones: tuple[str, ...], hours: CallingHours, minute: datetime) -> Stretch | None:
    """Return when the hours are first open in all zones, from a whole minute (UTC) on.

    None means never. It may go on after the end of the stretch.
    """
    instant = minute
    while zones and instant - minute < MAX_CLOSED:
        end = datetime.max.replace(tzinfo=UTC)
        latest = instant
        for zone in zones:
            opening = _next_opening(zone, hours, instant)
            if opening is None:
                return None
            latest = max(latest, opening.start)
            end = min(end, opening.end)
        if latest == instant:
            return Stretch(instant, end)
        # Open in the last zone; the others may have closed again by then.
        instant = latest
    return None


def _next_opening(zone: str, hours: CallingHours, since: datetime) -> Stretch | None:
    """Return when the hours are first open in one zone, from `since` on."""
    day = since.astimezone(ZoneInfo(zone)).date()
    for _ in range(MAX_CLOSED.days):
        for stretch in stretches_on(zone, hours, day):
            if stretch.end > since:
                return Stretch(max(stretch.start, since), stretch.end)
        day += ONE_DAY
    return None


@lru_cache(maxsize=100_000)
def stretches_on(zone: str, hours: CallingHours, day: date) -> tuple[Stretch, ...]:
    """Return what is open on a day of a zone, in order."""
    minutes = hours.minutes_on(day)
    if not minutes:
        return ()
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    is_whole_day = minutes == [(0, DAY_MINUTES)]
    stretches: list[Stretch] = []
    for first, last, offset in _passages(ZoneInfo(zone), day, repeat=is_whole_day):
        for start, end in minutes:
            if max(start, first) < min(end, last):
                utc_midnight = midnight - offset
                stretches.append(
                    Stretch(
                        utc_midnight + timedelta(minutes=max(start, first)),
                        utc_midnight + timedelta(minutes=min(end, last)),
                    )
                )
    return tuple(stretches)


def _passages(zone: ZoneInfo, day: date, *, repeat: bool) -> list[tuple[int, int, timedelta]]:
    """Return the stretches of a day with one offset: first and last minute after midnight, offset.

    There are two on a day on which the clock changes. With `repeat` the minutes that it shows twice
    are in both, otherwise in the first one.
    """
    midnight = datetime.combine(day, time())
    offsets = {
        _offset(zone, at.replace(tzinfo=zone, fold=fold))
        for at in (midnight, midnight + ONE_DAY)
        for fold in (0, 1)
    }
    if len(offsets) == 1:
        return [(0, DAY_MINUTES, offsets.pop())]

    begin = midnight.replace(tzinfo=UTC) - max(offsets)
    end = midnight.replace(tzinfo=UTC) + ONE_DAY - min(offsets)
    change = _find_change(zone, begin, end)
    before, after = _offset(zone, begin), _offset(zone, end)
    last_before = _minutes_between(midnight, change + before)
    first_after = _minutes_between(midnight, change + after)
    if not repeat:
        first_after = max(first_after, last_before)
    passages = [
        (0, min(last_before, DAY_MINUTES), before),
        (max(first_after, 0), DAY_MINUTES, after),
    ]
    return [passage for passage in passages if passage[0] < passage[1]]


def _find_change(zone: ZoneInfo, begin: datetime, end: datetime) -> datetime:
    """Return the first minute (UTC) with the offset of `end`; that of `begin` is another."""
    wanted = _offset(zone, end)
    low, high = 0, int((end - begin).total_seconds()) // 60
    while low < high:
        middle = (low + high) // 2
        if _offset(zone, begin + timedelta(minutes=middle)) == wanted:
            high = middle
        else:
            low = middle + 1
    return begin + timedelta(minutes=low)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset() if at.tzinfo is not zone else at.utcoffset()
    assert offset is not None
    return offset


def _minutes_between(midnight: datetime, at: datetime) -> int:
    return int((at.replace(tzinfo=None) - midnight).total_seconds()) // 60


def _merged(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches in order, those that touch as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@lru_cache(maxsize=2_000)
def public_holidays(country: str, region: str, year: int) -> frozenset[date]:
    """Return the public holidays of a country, with those of one region if it is given.

    Without a region, those that more than half of the regions keep: nobody knows more of a mobile.
    Empty for a country whose holidays are not known.
    """
    if country not in holidays.list_supported_countries():
        return frozenset()
    if region:
        return _holidays_in(country, region, year)
    regions = getattr(holidays, country).subdivisions
    keepers = Counter(day for one in regions for day in _holidays_in(country, one, year))
    usual = {day for day, count in keepers.items() if count > len(regions) / 2}
    return _holidays_in(country, None, year) | usual


def _holidays_in(country: str, region: str | None, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=region, years=year))
