import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from batches.dialing.calling_windows import is_open, opens_at, zones_of

OFFICE = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}
WASHINGTON, LOS_ANGELES, LONDON, BERLIN = (
    "+12025550186",
    "+13105550186",
    "+442079460018",
    "+4930901820",
)
TOLL_FREE, SATELLITE, RUSSIAN_MOBILE = "+18005550186", "+870773111632", "+79161234567"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_without_a_window_anybody_may_be_called_at_any_time() -> None:
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
def test_a_number_is_called_by_its_own_clock(number: str, now: str, opening: str) -> None:
    assert opens_at(number, OFFICE, utc(now)) == utc(opening)


def test_a_named_zone_counts_for_every_number() -> None:
    window = OFFICE | {"timezone": "Europe/Berlin"}

    assert opens_at(LOS_ANGELES, window, utc("2026-03-02 07:00")) == utc("2026-03-02 08:00")
    assert opens_at(SATELLITE, window, utc("2026-03-02 07:00")) == utc("2026-03-02 08:00")


def test_a_number_of_unknown_zone_is_never_called() -> None:
    assert zones_of(SATELLITE) == ()
    assert opens_at(SATELLITE, OFFICE, utc("2026-03-02 12:00")) is None
    assert not is_open(SATELLITE, OFFICE, utc("2026-03-02 12:00"))


def test_a_number_of_several_zones_must_be_inside_the_window_in_all_of_them() -> None:
    window = OFFICE | {"start": "08:00", "end": "21:00"}

    opening = opens_at(RUSSIAN_MOBILE, window, utc("2026-03-02 00:00"))

    assert len(zones_of(RUSSIAN_MOBILE)) > 10
    assert opening is not None
    assert {
        8 <= opening.astimezone(ZoneInfo(zone)).hour < 21 for zone in zones_of(RUSSIAN_MOBILE)
    } == {True}


def test_zones_that_are_never_open_together_mean_never() -> None:
    assert len(zones_of(TOLL_FREE)) > 40
    assert opens_at(TOLL_FREE, OFFICE, utc("2026-03-02 12:00")) is None


def test_a_window_may_last_until_midnight() -> None:
    window = OFFICE | {"end": "24:00"}

    assert is_open(LONDON, window, utc("2026-03-02 23:59:59"))
    assert not is_open(LONDON, window, utc("2026-03-03 00:00"))


def test_a_whole_day_is_open_throughout() -> None:
    window = {"days": [1], "start": "00:00", "end": "24:00", "timezone": "recipient"}

    assert is_open(LONDON, window, utc("2026-03-02 00:00"))
    assert opens_at(LONDON, window, utc("2026-03-01 23:59")) == utc("2026-03-02 00:00")


def test_a_holiday_is_no_day_for_calls() -> None:
    thanksgiving_noon = utc("2026-11-26 17:00")

    assert is_open(WASHINGTON, OFFICE, thanksgiving_noon)
    assert opens_at(WASHINGTON, OFFICE, thanksgiving_noon, holidays_country="US") == utc(
        "2026-11-27 14:00"
    )


def test_a_window_inside_the_hour_that_summer_time_skips_opens_the_next_day() -> None:
    window = {
        "days": [1, 2, 3, 4, 5, 6, 7],
        "start": "02:15",
        "end": "02:45",
        "timezone": "America/New_York",
    }

    assert opens_at(WASHINGTON, window, utc("2026-03-08 06:00")) == utc("2026-03-09 06:15")


def test_the_hour_that_is_repeated_when_summer_time_ends_counts_both_times() -> None:
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


def test_of_a_hundred_thousand_calls_at_random_none_is_outside_its_window() -> None:
    chance = random.Random(7)  # noqa: S311  # a reproducible sample, no secret
    window = {"days": [1, 2, 3, 4, 6], "start": "08:10", "end": "20:40", "timezone": "recipient"}
    first = utc("2026-01-01 00:00")
    calls = [
        (chance.choice(NUMBERS), first + timedelta(seconds=chance.randrange(366 * 86_400)))
        for _ in range(100_000)
    ]
    zones = {number: [ZoneInfo(name) for name in zones_of(number)] for number in NUMBERS}

    openings = [(number, opens_at(number, window, now), now) for number, now in calls]

    outside = [
        (number, at)
        for number, at, now in openings
        if at is None
        or at < now
        or not all(_inside(at.astimezone(zone)) for zone in zones[number])
        or (at > now and all(_inside(now.astimezone(zone)) for zone in zones[number]))
    ]
    assert outside == []


def _inside(local: datetime) -> bool:
    return 490 <= local.hour * 60 + local.minute < 1240 and local.isoweekday() in (1, 2, 3, 4, 6)
