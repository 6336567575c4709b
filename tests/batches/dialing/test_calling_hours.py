"""Calling hours over a year in every time zone: against a plain reading of the wall clock."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from batches.dialing.calling_hours import CallingHours, Span, common_opening, stretches_on

EVERY_DAY = frozenset(range(1, 8))
WEEKDAYS = frozenset(range(1, 6))
NIGHT = CallingHours(spans=(Span(EVERY_DAY, 90, 150), Span(EVERY_DAY, 23 * 60, 27 * 60)))
TWO_SPANS = CallingHours(
    spans=(Span(WEEKDAYS, 600, 780), Span(WEEKDAYS, 840, 1200), Span(frozenset({6}), 1260, 1500)),
    closed_dates=frozenset({date(2027, 3, 15), date(2027, 12, 24)}),
    country="FR",
)
WHOLE_DAYS = CallingHours(spans=(Span(EVERY_DAY, 0, 1440),))
MINUTE = timedelta(minutes=1)


def distinct_zones() -> list[str]:
    """Zones whose clocks differ in the years to come: one of each rule, and Morocco's two.

    The rule is the last line of a zone's file; Morocco has none: its changes follow Ramadan.
    """
    by_rule = {"Casablanca": "Africa/Casablanca", "El Aaiun": "Africa/El_Aaiun"}
    for name in sorted(available_timezones() - {"localtime"}):
        rule = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes().splitlines()[-1]
        by_rule.setdefault(str(rule), name)
    return list(by_rule.values())


ZONES = distinct_zones()


def test_there_are_many_different_clocks() -> None:
    assert len(ZONES) > 60


def days_of(year: int) -> list[date]:
    return [date(year, 1, 1) + timedelta(days=day) for day in range(365)]


def nominal_minutes(hours: CallingHours, day: date) -> int:
    return sum(end - start for start, end in hours.minutes_on(day))


def has_change(zone: str, day: date) -> bool:
    """Whether the clock changes on the day, or at the midnights around it."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    offsets = {
        (noon + timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset()
        for hours in range(-40, 41, 4)
    }
    return len(offsets) > 1


@pytest.mark.parametrize("hours", [NIGHT, TWO_SPANS], ids=["night", "two spans"])
def test_no_day_of_any_zone_is_open_longer_than_its_spans(hours: CallingHours) -> None:
    too_long: list[tuple[str, date]] = []
    shortened: Counter[str] = Counter()
    for zone in ZONES:
        for day in days_of(2027):
            stretches = stretches_on(zone, hours, day)
            minutes = sum((end - start) // MINUTE for start, end in stretches)
            if minutes > nominal_minutes(hours, day):
                too_long.append((zone, day))
            elif minutes < nominal_minutes(hours, day):
                # Only an hour that does not exist, or that the clock shows for the second time.
                assert has_change(zone, day)
                shortened[zone] += 1

    assert too_long == []
    assert all(days <= 4 for days in shortened.values())


def test_stretches_of_a_zone_follow_one_another_all_year() -> None:
    for zone in ZONES:
        stretches = [stretch for day in days_of(2027) for stretch in stretches_on(zone, NIGHT, day)]

        assert stretches == sorted(stretches)
        assert all(start < end for start, end in stretches)
        assert all(before.end <= after.start for before, after in pairwise(stretches))


def test_whole_days_never_close() -> None:
    for zone in ZONES:
        stretches = [
            stretch for day in days_of(2027) for stretch in stretches_on(zone, WHOLE_DAYS, day)
        ]

        assert all(before.end == after.start for before, after in pairwise(stretches))


def is_open_by_the_clock(zone: str, hours: CallingHours, at: datetime) -> bool:
    """A plain reading: the first time that the clock shows this minute, and a span has it."""
    local = at.astimezone(ZoneInfo(zone))
    if local.fold:
        return False
    minute = local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in hours.minutes_on(local.date()))


def test_openings_of_a_random_sample_agree_with_the_clock() -> None:
    generator = random.Random(11)  # noqa: S311  - a reproducible sample, not a secret
    first = datetime(2027, 1, 1, tzinfo=UTC)
    for _ in range(4_000):
        zone = generator.choice(ZONES)
        hours = generator.choice((NIGHT, TWO_SPANS))
        now = first + timedelta(minutes=generator.randrange(364 * 1440))

        opening = common_opening((zone,), hours, now)

        assert opening is not None
        assert is_open_by_the_clock(zone, hours, opening.start)
        assert (opening.start == now) == is_open_by_the_clock(zone, hours, now)
        # Closed in between: looked at where spans begin, and at random.
        waits = (opening.start - now) // MINUTE
        for minutes in (waits - 1, *(generator.randrange(waits) for _ in range(3) if waits)):
            if 0 <= minutes < waits:
                assert not is_open_by_the_clock(zone, hours, now + minutes * MINUTE)
        if hours is NIGHT or opening.end - opening.start > MINUTE:
            assert is_open_by_the_clock(zone, hours, opening.end - MINUTE)


@pytest.mark.parametrize("zone", ["America/New_York", "Africa/Cairo", "America/Santiago"])
def test_minutes_of_a_day_on_which_the_clock_changes_are_open_once(zone: str) -> None:
    hours = CallingHours(spans=(Span(EVERY_DAY, 0, 240), Span(EVERY_DAY, 1320, 1439)))
    changes = [day for day in days_of(2027) if has_change(zone, day)]
    seen: Counter[tuple[date, int]] = Counter()

    for day in changes:
        for start, end in stretches_on(zone, hours, day):
            for minutes in range((end - start) // MINUTE):
                local = (start + minutes * MINUTE).astimezone(ZoneInfo(zone))
                seen[local.date(), local.hour * 60 + local.minute] += 1

    assert len(changes) >= 2
    assert set(seen.values()) == {1}


def test_several_zones_are_open_together_or_not_at_all() -> None:
    hours = CallingHours(spans=(Span(WEEKDAYS, 540, 1080),))
    now = datetime(2027, 1, 11, tzinfo=UTC)

    near = common_opening(("Europe/Berlin", "Europe/London"), hours, now)
    far = common_opening(("Europe/Kaliningrad", "Asia/Kamchatka"), hours, now)

    assert near == (datetime(2027, 1, 11, 9, tzinfo=UTC), datetime(2027, 1, 11, 17, tzinfo=UTC))
    assert far is None
