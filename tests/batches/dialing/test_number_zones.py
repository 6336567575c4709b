"""Time zones of phone numbers: always those of the number's own country."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from batches.dialing.calling_windows import opens_at
from batches.dialing.number_zones import zones_of, zones_of_countries
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

    opening = opens_at(number, DAYTIME, asked)

    assert opening == datetime.fromisoformat(first_call_at).replace(tzinfo=UTC)


def test_mobiles_of_a_shared_calling_code_have_their_own_countrys_zones() -> None:
    assert set(zones_of("+77710009998")) <= set(zones_of_countries()["KZ"])
    assert set(zones_of("+79161234567")) <= set(zones_of_countries()["RU"])
    assert "America/New_York" in zones_of("+18005551234")
    assert set(zones_of("+18005551234")) <= set(zones_of_countries()["US"])
