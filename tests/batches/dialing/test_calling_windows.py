"""Calling windows by the callee's wall clock, over weekends, holidays and summer time."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from batches.dialing import calling_windows
from batches.dialing.calling_windows import Window, parse_rules
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


def opens_at(
    e164: str, window: Window | None, now: datetime, own_zone: str | None = None, **settings: str
) -> datetime | None:
    return calling_windows.opens_at(e164, parse_rules(window, **settings), now, own_zone).at


def why_closed(e164: str, window: Window, now: datetime, **settings: str) -> str | None:
    return calling_windows.opens_at(e164, parse_rules(window, **settings), now).reason


def is_open(e164: str, window: Window, now: datetime) -> bool:
    return calling_windows.is_open(e164, parse_rules(window), now)


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


def test_number_without_a_known_zone_is_never_called_but_reviewed() -> None:
    assert zones_of(SATELLITE) == ()
    assert opens_at(SATELLITE, OFFICE, utc("2026-03-02 12:00")) is None
    assert why_closed(SATELLITE, OFFICE, utc("2026-03-02 12:00")) == "zone_unknown"
    assert not is_open(SATELLITE, OFFICE, utc("2026-03-02 12:00"))


def test_window_that_is_closed_everywhere_is_a_closed_window_not_an_unknown_zone() -> None:
    window = {"spans": [{"days": [1], "start": "09:00", "end": "10:00"}], "timezone": "recipient"}
    mondays = [f"2026-{month:02}-{day:02}" for month in range(3, 6) for day in range(1, 31)]

    closed = window | {"closed_dates": mondays}

    assert why_closed(RUSSIAN_MOBILE, closed, utc("2026-03-02 12:00")) == "window_closed"


def test_workspace_decides_about_numbers_whose_zone_cannot_be_known() -> None:
    now = utc("2026-03-02 12:00")
    berlin = {"unknown_zone": "workspace", "workspace_zone": "Europe/Berlin"}

    for number in (RUSSIAN_MOBILE, TOLL_FREE, SATELLITE):
        assert opens_at(number, OFFICE, now, **berlin) == now
        assert opens_at(number, OFFICE, now, unknown_zone="review") is None
        assert why_closed(number, OFFICE, now, unknown_zone="review") == "zone_unknown"
    assert opens_at(WASHINGTON, OFFICE, now, **berlin) == utc("2026-03-02 14:00")


def test_own_zone_of_a_recipient_comes_before_that_of_the_number() -> None:
    now = utc("2026-03-02 03:00")

    assert opens_at(RUSSIAN_MOBILE, OFFICE, now, "Asia/Omsk") == now
    assert opens_at(WASHINGTON, OFFICE, now, "Asia/Omsk") == now


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
    assert why_closed(RUSSIAN_MOBILE, OFFICE, utc("2026-03-02 12:00")) == "zone_unknown"
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


def test_window_opens_once_in_the_hour_that_the_end_of_summer_time_repeats() -> None:
    window = {
        "days": [1, 2, 3, 4, 5, 6, 7],
        "start": "01:30",
        "end": "02:00",
        "timezone": "America/New_York",
    }

    assert opens_at(WASHINGTON, window, utc("2026-11-01 05:00")) == utc("2026-11-01 05:30")
    assert opens_at(WASHINGTON, window, utc("2026-11-01 06:10")) == utc("2026-11-02 06:30")


def test_window_that_begins_in_the_hour_that_summer_time_skips_opens_after_it() -> None:
    window = {"start": "02:30", "end": "04:00", "timezone": "America/New_York"}

    assert opens_at(WASHINGTON, window, utc("2026-03-08 05:00")) == utc("2026-03-08 07:00")


TWO_SPANS = {
    "timezone": "recipient",
    "spans": [
        {"days": [1, 2, 3, 4, 5], "start": "10:00", "end": "13:00"},
        {"days": [1, 2, 3, 4, 5], "start": "14:00", "end": "20:00"},
    ],
    "closed_dates": ["2027-03-03"],
    "holidays": "FR",
}
PARIS = "+33142685300"


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        pytest.param("2027-03-01 12:30", "2027-03-01 13:00", id="over lunch"),
        pytest.param("2027-03-01 11:59", "2027-03-01 11:59", id="in the morning"),
        pytest.param("2027-03-02 19:00", "2027-03-04 09:00", id="over a closed date"),
        pytest.param("2027-03-26 19:00", "2027-03-30 08:00", id="over Easter Monday"),
    ],
)
def test_several_spans_a_day(now: str, opening: str) -> None:
    assert opens_at(PARIS, TWO_SPANS, utc(now)) == utc(opening)


OVERNIGHT = {
    "timezone": "America/New_York",
    "spans": [{"days": [5, 6], "start": "20:00", "end": "02:00"}],
}


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        pytest.param("2027-01-08 22:00", "2027-01-09 01:00", id="friday at five"),
        pytest.param("2027-01-09 06:59", "2027-01-09 06:59", id="saturday before two"),
        pytest.param("2027-01-09 07:00", "2027-01-10 01:00", id="saturday at two"),
        pytest.param("2027-01-10 06:30", "2027-01-10 06:30", id="sunday before two"),
        pytest.param("2027-01-08 06:30", "2027-01-09 01:00", id="friday before two"),
    ],
)
def test_span_over_midnight_belongs_to_the_day_on_which_it_starts(now: str, opening: str) -> None:
    assert opens_at(WASHINGTON, OVERNIGHT, utc(now)) == utc(opening)


def test_closed_date_closes_its_span_and_what_the_day_before_left_open() -> None:
    closed_friday = OVERNIGHT | {"closed_dates": ["2027-01-08"]}
    closed_saturday = OVERNIGHT | {"closed_dates": ["2027-01-09"]}

    assert opens_at(WASHINGTON, closed_friday, utc("2027-01-09 06:00")) == utc("2027-01-10 01:00")
    assert opens_at(WASHINGTON, closed_saturday, utc("2027-01-09 06:00")) == utc("2027-01-16 01:00")


def test_holidays_of_the_recipient_are_those_of_the_numbers_country() -> None:
    window = OFFICE | {"holidays": "recipient"}
    thanksgiving = utc("2026-11-26 15:00")

    assert opens_at(WASHINGTON, window, thanksgiving) == utc("2026-11-27 14:00")
    assert opens_at(LONDON, window, thanksgiving) == thanksgiving


@pytest.mark.parametrize(
    ("number", "now", "is_a_holiday"),
    [
        pytest.param(BERLIN, "2027-03-08 10:00", True, id="Berlin keeps Women's Day"),
        pytest.param("+498912345678", "2027-03-08 10:00", False, id="Munich does not"),
        pytest.param("+491711234567", "2027-05-27 10:00", False, id="mobile on Corpus Christi"),
        pytest.param("+491711234567", "2027-05-17 10:00", True, id="mobile on Whit Monday"),
        pytest.param("+13105550186", "2027-03-31 20:00", True, id="California, Chavez Day"),
        pytest.param(WASHINGTON, "2027-03-31 20:00", False, id="Washington, another day"),
        pytest.param(LONDON, "2027-03-29 10:00", True, id="London on Easter Monday"),
        pytest.param("+498912345678", "2027-01-06 10:00", True, id="Munich on Epiphany"),
        pytest.param(BERLIN, "2027-01-06 10:00", False, id="Berlin on Epiphany"),
        pytest.param("+4962112345", "2027-01-06 10:00", False, id="Mannheim or Ludwigshafen"),
        pytest.param("+441312345678", "2027-11-30 10:00", True, id="Edinburgh, Saint Andrew"),
        pytest.param("+442890123456", "2027-07-12 10:00", True, id="Belfast, Battle of the Boyne"),
        pytest.param("+33388123456", "2027-03-26 10:00", True, id="Strasbourg on Good Friday"),
        pytest.param("+33142685300", "2027-03-26 10:00", False, id="Paris on Good Friday"),
        pytest.param("+61731234567", "2027-05-03 02:00", True, id="Brisbane on Labour Day"),
        pytest.param("+61291234567", "2027-05-03 02:00", False, id="Sydney on the same day"),
        pytest.param("+61396501234", "2027-11-02 01:00", True, id="Melbourne Cup Day"),
        pytest.param("+61291234567", "2027-11-02 01:00", False, id="Sydney, another day"),
        pytest.param("+61262051234", "2027-03-08 01:00", True, id="Canberra Day"),
    ],
)
def test_holidays_of_the_recipients_region_close_where_it_is_known(
    number: str, now: str, is_a_holiday: bool
) -> None:
    window = OFFICE | {"holidays": "recipient"}

    assert is_open(number, OFFICE, utc(now))
    assert is_open(number, window, utc(now)) is not is_a_holiday


def test_countries_without_known_holidays_are_called() -> None:
    window = OFFICE | {"holidays": "recipient", "timezone": "UTC"}

    assert is_open(SATELLITE, window, utc("2026-12-25 12:00"))


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
