"""`manage.py document_number_zones`: the time zones of numbers, in docs/number-zones.md."""

from importlib.resources import files
from typing import Any

import phonenumbers
from django.conf import settings
from django.core.management.base import BaseCommand
from phonenumbers.tzdata import TIMEZONE_DATA

from batches.dialing.number_zones import (
    canonical_zone,
    have_one_clock,
    place_of,
    zones_of_countries,
)
from voiceops.core.phone_numbers import format_e164

NUMBER_ZONES_PAGE = settings.BASE_DIR / "docs/number-zones.md"
BATCHES_PAGE = settings.BASE_DIR / "docs/batches.md"
KINDS = {
    "fixed line": phonenumbers.PhoneNumberType.FIXED_LINE,
    "mobile": phonenumbers.PhoneNumberType.MOBILE,
    "toll-free": phonenumbers.PhoneNumberType.TOLL_FREE,
    "internet (VoIP)": phonenumbers.PhoneNumberType.VOIP,
}
INTRODUCTION = f"""# Time zones of numbers

By whose clock a number is called while a calling window has `"timezone": "recipient"` and its
list names no time zone ([{BATCHES_PAGE.name}]({BATCHES_PAGE.name})).
Written by `make docs` from libphonenumber's prefixes and IANA's table of countries, as this
version of VoiceOps has them.

- **by prefix**: the digits after the country code tell the zone, or a few that must all be open.
- **not known**: the number only names its country; `unknown_zone` of the workspace decides.
- An empty cell: the country has no such numbers that libphonenumber knows.

Numbers without a country, such as those of satellites (`+870`) and international toll-free
numbers (`+800`), have no zone.

"""


def written_page() -> str:
    """Return the whole page, as the libraries have it now."""
    header = ["country", "code", "its time zones", *KINDS]
    rows = [header, ["---"] * len(header), *_country_rows()]
    return INTRODUCTION + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _country_rows() -> list[list[str]]:
    names = _country_names()
    countries = sorted(phonenumbers.SUPPORTED_REGIONS, key=lambda code: names.get(code, code))
    return [
        [
            f"{names.get(country, country)} ({country})",
            f"+{phonenumbers.country_code_for_region(country)}",
            _zones_of_country(country),
            *(_zone_of_kind(country, kind) for kind in KINDS.values()),
        ]
        for country in countries
    ]


def _zones_of_country(country: str) -> str:
    zones = zones_of_countries()[country]
    if len(zones) == 1:
        return zones[0]
    clocks = "one clock" if have_one_clock(zones) else "several clocks"
    return f"{', '.join(zones)} ({clocks})"


def _zone_of_kind(country: str, kind: int) -> str:
    """Return where numbers of a kind lie, by libphonenumber's example of them."""
    example = phonenumbers.example_number_for_type(country, kind)
    if example is None:
        return ""
    place = place_of(format_e164(example))
    if not place.is_known:
        return f"not known: {len(place.zones)} zones"
    if not have_one_clock(zones_of_countries()[country]) and _depends_on_prefix(country):
        return "by prefix"
    return _one_clock(place.zones)


def _depends_on_prefix(country: str) -> bool:
    """Return whether libphonenumber tells several zones of the country apart."""
    code = str(phonenumbers.country_code_for_region(country))
    own = set(zones_of_countries()[country])
    prefixes = (prefix for prefix in TIMEZONE_DATA if prefix.startswith(code))
    found = {
        frozenset(canonical_zone(zone) for zone in TIMEZONE_DATA[prefix]) & own
        for prefix in prefixes
    }
    return len(found - {frozenset()}) > 1


def _one_clock(zones: tuple[str, ...]) -> str:
    more = len(zones) - 1
    return f"{zones[0]} (and {more} with the same clock)" if more else zones[0]


def _country_names() -> dict[str, str]:
    """Return IANA's English names of countries by ISO 3166 code."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    lines = [(line[:2], line[3:]) for line in table.splitlines() if not line.startswith("#")]
    # Territories that libphonenumber has and the table does not.
    others = {"AC": "Ascension Island", "TA": "Tristan da Cunha", "XK": "Kosovo"}
    return {**dict(lines), **others}


class Command(BaseCommand):
    help = "Writes the time zones of numbers by country into docs/number-zones.md."

    def handle(self, **options: Any) -> None:
        NUMBER_ZONES_PAGE.write_text(written_page())
