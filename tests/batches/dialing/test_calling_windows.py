"""Calling windows by the callee's wall clock, over weekends, holidays and summer time."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from batches.dialing.calling_windows import is_open, opens_at
from batches.dialing.number_zones import zones_of

OFFICE = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}
WASHINGTON = "+12025550186"
LOS_ANGELES = "+13105550186"
LONDON = "+442079460018"
BERLIN = "+4930901820"
TOLL_FREE = "+18005550186"
SATELLITE = "+870773111632"
RUSSIAN_MOBILE = "+79161234567"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_a_window_every_instant_is_open() -> None:
    now = utc("2026-03-01 03:00")

    assert opens_at(SATELLITE, None, now) == now


@pytest.mark.parametrize(
    ("number", "now", "opening"),
    [
        pytest.param(
            WASHINGTON, "2026-03-02 13:59:59", "2026-03-02 14:00", id="a second before nine"
        ),
        pytest.param(WASHINGTON, "2026-03-02 14:00", "2026-03-02 14:00", id="at nine"),
        pytest.param(
            WASHINGTON, "2026-03-02 22:59:59", "2026-03-02 22:59:59", id="a second before six"
        ),
        pytest.param(WASHINGTON, "2026-03-02 23:00", "2026-03-03 14:00", id="at six"),
        pytest.param(
            LOS_ANGELES, "2026-03-02 14:00", "2026-03-02 17:00", id="three hours further west"
        ),
        pytest.param(LONDON, "2026-03-06 18:00", "2026-03-09 09:00", id="over the weekend"),
        pytest.param(
            WASHINGTON, "2026-03-06 23:30", "2026-03-09 13:00", id="over the start of summer time"
        ),
    ],
)
def test_window_is_read_in_the_zone_of_the_number(number: str, now: str, opening: str) -> None:
    assert opens_at(number, OFFICE, utc(now)) == utc(opening)


def test_named_zone_holds_for_every_number() -> None:
    window = OFFICE | {"timezone": "Europe/Berlin"}

    assert opens_at(LOS_ANGELES, window, utc("2026-03-02 07:00")) == utc("2026-03-02 08:00")
    assert opens_at(SATELLITE, window, utc("2026-03-02 07:00")) == utc("2026-03-02 08:00")


def test_number_without_a_known_zone_is_never_called() -> None:
    assert zones_of(SATELLITE) == ()
    assert opens_at(SATELLITE, OFFICE, utc("2026-03-02 12:00")) is None
    assert not is_open(SATELLITE, OFFICE, utc("2026-03-02 12:00"))


def test_number_with_several_zones_must_be_inside_the_window_in_all_of_them() -> None:
    window = OFFICE | {"start": "08:00", "end": "21:00"}

    opening = opens_at(RUSSIAN_MOBILE, window, utc("2026-03-02 00:00"))

    assert len(zones_of(RUSSIAN_MOBILE)) > 10
    assert opening is not None
    assert {
        8 <= opening.astimezone(ZoneInfo(zone)).hour < 21 for zone in zones_of(RUSSIAN_MOBILE)
    } == {True}


def test_number_whose_zones_are_never_open_together_is_never_called() -> None:
    assert len(zones_of(RUSSIAN_MOBILE)) > 10
    assert opens_at(RUSSIAN_MOBILE, OFFICE, utc("2026-03-02 12:00")) is None


def test_toll_free_number_waits_until_every_zone_of_its_country_is_inside_the_window() -> None:
    opening = opens_at(TOLL_FREE, OFFICE, utc("2026-03-02 12:00"))

    assert opening == utc("2026-03-02 19:00")  # 09:00 in Hawaii, 14:00 in New York


def test_window_may_last_until_midnight() -> None:
    window = OFFICE | {"end": "24:00"}

    assert is_open(LONDON, window, utc("2026-03-02 23:59:59"))
    assert not is_open(LONDON, window, utc("2026-03-03 00:00"))


def test_window_of_a_whole_day_is_open_throughout() -> None:
    window = {"days": [1], "start": "00:00", "end": "24:00", "timezone": "recipient"}

    assert is_open(LONDON, window, utc("2026-03-02 00:00"))
    assert opens_at(LONDON, window, utc("2026-03-01 23:59")) == utc("2026-03-02 00:00")


def test_window_is_closed_on_public_holidays() -> None:
    thanksgiving_noon = utc("2026-11-26 17:00")

    assert is_open(WASHINGTON, OFFICE, thanksgiving_noon)
    assert opens_at(WASHINGTON, OFFICE, thanksgiving_noon, holidays_country="US") == utc(
        "2026-11-27 14:00"
    )


def test_window_inside_the_hour_that_summer_time_skips_opens_the_next_day() -> None:
    window = {
        "days": [1, 2, 3, 4, 5, 6, 7],
        "start": "02:15",
        "end": "02:45",
        "timezone": "America/New_York",
    }

    assert opens_at(WASHINGTON, window, utc("2026-03-08 06:00")) == utc("2026-03-09 06:15")


def test_window_opens_in_both_hours_that_the_end_of_summer_time_repeats() -> None:
    window = {
        "days": [1, 2, 3, 4, 5, 6, 7],
        "start": "01:30",
        "end": "02:00",
        "timezone": "America/New_York",
    }

    assert opens_at(WASHINGTON, window, utc("2026-11-01 05:00")) == utc("2026-11-01 05:30")
    assert opens_at(WASHINGTON, window, utc("2026-11-01 06:10")) == utc("2026-11-01 06:30")


NUMBERS = [
    WASHINGTON,
    LOS_ANGELES,
    LONDON,
    BERLIN,
    RUSSIAN_MOBILE,
    "+61291234567",
    "+5511987654321",
    "+919812345678",
]


def test_no_opening_of_a_random_sample_lies_outside_the_window() -> None:
    generator = random.Random(7)  # noqa: S311  - a reproducible sample, not a secret
    window = {"days": [1, 2, 3, 4, 6], "start": "08:10", "end": "20:40", "timezone": "recipient"}
    first = utc("2026-01-01 00:00")
    calls = [
        (generator.choice(NUMBERS), first + timedelta(seconds=generator.randrange(366 * 86_400)))
        for _ in range(100_000)
    ]
    zones = {number: [ZoneInfo(name) for name in zones_of(number)] for number in NUMBERS}

    openings = [(number, now, opens_at(number, window, now)) for number, now in calls]

    def is_inside(number: str, instant: datetime) -> bool:
        return all(_is_inside(instant.astimezone(zone)) for zone in zones[number])

    wrong = [
        (number, opening)
        for number, now, opening in openings
        if opening is None
        or opening < now
        or not is_inside(number, opening)
        or (opening > now and is_inside(number, now))
    ]
    assert wrong == []


def _is_inside(local: datetime) -> bool:
    minutes = local.hour * 60 + local.minute
    return 490 <= minutes < 1240 and local.isoweekday() in (1, 2, 3, 4, 6)
