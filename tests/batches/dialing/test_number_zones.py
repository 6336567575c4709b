"""Time zones of phone numbers: always those of the number's own country."""

import random
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from batches.dialing import number_zones
from batches.dialing.calling_windows import Openings, opens_at, parse_rules
from batches.dialing.number_zones import place_of, zones_of, zones_of_countries
from batches.dialing.zone_corrections import CORRECTIONS, MAX_PREFIX_DIGITS
from voiceops.core.phone_numbers import format_e164

DAYTIME = {"days": [1, 2, 3, 4, 5, 6, 7], "start": "09:00", "end": "18:00", "timezone": "recipient"}
KINDS = (
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.VOIP,
)


def examples() -> list[tuple[str, str]]:
    """A number of each kind of each country that libphonenumber knows, with its country."""
    found = []
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in KINDS:
            number = phonenumbers.example_number_for_type(country, kind)
            if number is not None:
                region = phonenumbers.region_code_for_number(number)
                found.append((format_e164(number), region or ""))
    return found


def test_there_are_examples_of_nearly_every_country() -> None:
    assert len({country for _, country in examples()}) > 235


def test_no_zone_lies_outside_the_numbers_country() -> None:
    countries = zones_of_countries()

    strangers = {
        number: zones_of(number)
        for number, country in examples()
        if not zones_of(number) or not set(zones_of(number)) <= set(countries[country])
    }

    assert strangers == {}


def test_every_country_can_be_called_on_some_day_of_the_week() -> None:
    now = datetime(2027, 1, 11, tzinfo=UTC)
    window = parse_rules({"start": "08:00", "end": "22:00", "timezone": "recipient"})
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE

    never = {
        (number, reason)
        for number, _ in examples()
        for at, reason in [opens_at(number, window, now)]
        if at is None
    }

    assert never == set()
    called = {code for number, _ in examples() for code in codes if is_of(number, code)}
    places = {code for code, countries in codes.items() if countries != ("001",)}
    assert places - called == set()


def is_of(number: str, code: int) -> bool:
    return phonenumbers.parse(number).country_code == code


def test_prefix_decides_as_the_whole_number_would() -> None:
    generator = random.Random(5)  # noqa: S311  - a reproducible sample, not a secret
    others = [
        number[:-keep] + str(generator.randrange(10 ** (keep - 1), 10**keep))
        for number, _ in examples()
        for keep in (2, 4, 6)
    ]
    valid = [one for one in others if number_zones._find_place(one).country]

    wrong = [one for one in valid if place_of(one) is not number_zones._find_place(one)]

    assert len(valid) > 1_500
    assert wrong == []


def test_invalid_number_does_not_decide_for_its_neighbours() -> None:
    number_zones._place_by_prefix.clear()

    assert place_of("+12025").country == ""
    assert place_of("+12025550101").country == "US"


@pytest.mark.parametrize(
    ("number", "is_known"),
    [
        ("+18005550199", False),
        ("+79161234567", False),
        ("+61412345678", False),
        ("+870773111632", False),
        ("+77710009998", True),
        ("+18762101234", True),
        ("+12025550101", True),
        ("+12084251234", True),
        ("+541123456789", True),
        ("+4915112345678", True),
    ],
)
def test_zone_is_unknown_where_a_number_only_names_its_country(number: str, is_known: bool) -> None:
    assert place_of(number).is_known is is_known


def test_ten_thousand_toll_free_numbers_are_found_in_milliseconds() -> None:
    window = parse_rules(DAYTIME)
    numbers = [
        f"+18{area}{number}"
        for area in ("00", "33", "44", "55", "66", "77", "88")
        for number in range(2_000_000, 9_999_999, 5_600)
    ][:10_000]
    now = datetime(2027, 1, 11, tzinfo=UTC)
    Openings(window, now).find(numbers[0])

    fastest = min(_seconds_to_find(numbers, Openings(window, now)) for _ in range(5))

    assert len(numbers) == 10_000
    assert fastest < 0.010


def _seconds_to_find(numbers: list[str], openings: Openings) -> float:
    started_at = time.perf_counter()
    for number in numbers:
        openings.find(number)
    return time.perf_counter() - started_at


def test_every_zone_is_one_that_python_knows() -> None:
    names = {zone for number, _ in examples() for zone in zones_of(number)}

    assert {ZoneInfo(name).key for name in names} == names


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+213551234567", ("Africa/Algiers",)),
        ("+50581234567", ("America/Managua",)),
        ("+212650123456", ("Africa/Casablanca",)),
        ("+218912345678", ("Africa/Tripoli",)),
        ("+211977123456", ("Africa/Juba",)),
        ("+18762101234", ("America/Jamaica",)),
        ("+12462501234", ("America/Barbados",)),
        ("+919812345678", ("Asia/Kolkata",)),
        ("+12025550123", ("America/New_York",)),
        ("+4915112345678", ("Europe/Berlin",)),
    ],
)
def test_number_follows_the_clock_of_its_own_country(number: str, zones: tuple[str, ...]) -> None:
    assert zones_of(number) == zones


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        pytest.param("+5581987654321", ("America/Recife",), id="Recife, mobile"),
        pytest.param("+558137211234", ("America/Recife",), id="Caruaru"),
        pytest.param("+558136191234", ("America/Noronha",), id="Noronha"),
        pytest.param("+5593987654321", ("America/Santarem",), id="Santarém, mobile"),
        pytest.param("+5594987654321", ("America/Belem",), id="Marabá, mobile"),
        pytest.param("+61740441234", ("Australia/Brisbane",), id="Cairns"),
        pytest.param("+61755361234", ("Australia/Brisbane", "Australia/Sydney"), id="Tweed"),
        pytest.param("+61882001234", ("Australia/Adelaide",), id="Adelaide"),
        pytest.param("+61892211234", ("Australia/Perth",), id="Perth"),
        pytest.param("+61889231234", ("Australia/Darwin",), id="Darwin"),
        pytest.param("+61362301234", ("Australia/Hobart",), id="Hobart"),
        pytest.param("+61265632123", ("Australia/Lord_Howe",), id="Lord Howe"),
        pytest.param("+56612221234", ("America/Punta_Arenas",), id="Punta Arenas"),
        pytest.param("+56322100123", ("Pacific/Easter",), id="Easter Island"),
        pytest.param("+526144101234", ("America/Chihuahua",), id="Chihuahua"),
        pytest.param("+528688121234", ("America/Matamoros",), id="Matamoros"),
        pytest.param("+12507741234", ("America/Fort_Nelson",), id="Fort Nelson"),
        pytest.param("+12504261234", ("America/Edmonton",), id="Cranbrook"),
        pytest.param("+18676671234", ("America/Whitehorse",), id="Whitehorse"),
        pytest.param("+18679791234", ("America/Toronto",), id="Iqaluit"),
        pytest.param("+74012531234", ("Europe/Kaliningrad",), id="Kaliningrad"),
        pytest.param("+78452231234", ("Europe/Saratov",), id="Saratov"),
    ],
)
def test_a_place_has_its_own_clock_where_libphonenumber_gives_it_that_of_another(
    number: str, zones: tuple[str, ...]
) -> None:
    assert zones_of(number) == zones
    assert place_of(number).is_known


def test_every_correction_changes_numbers_to_zones_of_their_country() -> None:
    countries = zones_of_countries()

    for prefix, corrections in CORRECTIONS.items():
        right = {zone for zones in corrections.values() for zone in zones.split()}
        assert any(right <= set(zones) for zones in countries.values()), prefix
        assert len(prefix) <= MAX_PREFIX_DIGITS


@pytest.mark.parametrize(
    ("number", "asked_for", "first_call_at"),
    [
        ("+213551234567", "2027-07-15T00:00", "2027-07-15T08:00"),
        ("+50581234567", "2027-07-15T06:00", "2027-07-15T15:00"),
        ("+212650123456", "2027-01-15T17:30", "2027-01-16T08:00"),
        ("+18762101234", "2027-01-11T00:00", "2027-01-11T14:00"),
        ("+77710009998", "2027-01-11T00:00", "2027-01-11T04:00"),
    ],
)
def test_window_opens_by_the_clock_of_the_country(
    number: str, asked_for: str, first_call_at: str
) -> None:
    asked = datetime.fromisoformat(asked_for).replace(tzinfo=UTC)

    opening = opens_at(number, parse_rules(DAYTIME), asked).at

    assert opening == datetime.fromisoformat(first_call_at).replace(tzinfo=UTC)


def test_mobiles_of_a_shared_calling_code_have_their_own_countrys_zones() -> None:
    assert set(zones_of("+77710009998")) <= set(zones_of_countries()["KZ"])
    assert set(zones_of("+79161234567")) <= set(zones_of_countries()["RU"])
    assert "America/New_York" in zones_of("+18005551234")
    assert set(zones_of("+18005551234")) <= set(zones_of_countries()["US"])
