"""The country and the time zones that a phone number may lie in.

libphonenumber knows zones by prefix, but gives some countries the zone of a neighbour (Algeria gets
Paris), and numbers that are not geographic every zone of their calling code (a mobile of Jamaica
gets all of North America). The zones of a number are therefore those of libphonenumber that belong
to the number's own country by the IANA table `zone.tab`, with the corrections of
`zone_corrections.py`. Where none does, they are all zones of the country.

Asking libphonenumber takes 0.1 ms, and a claim asks for every recipient it reads. So the answer is
kept for the prefix that decides it: the calling code, or a few digits more in countries that share
a code or have several zones.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import chain
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone as prefix_zones
from phonenumbers.tzdata import TIMEZONE_DATA

from batches.dialing.zone_corrections import CORRECTIONS, correct_zones
from voiceops.core.time_zones import read_zone_table

# Digits after the calling code. Five tell Guernsey from England and the Vatican from Rome; three
# tell a mobile from an area code; prefixes with a zone of their own may be longer.
SHARED_CODE_DIGITS = 5
SEVERAL_ZONES_DIGITS = 3
AREA_CODE_DIGITS = 4  # and one more: +1 800 1 is the Dominican Republic
HEAD_CHARACTERS = 7
NORTH_AMERICA = "1"
RUSSIA_AND_KAZAKHSTAN = "7"
MAX_CACHED_PREFIXES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a number lies: its country (ISO 3166-1, empty for none) and its possible zones.

    `is_known` is whether the number reveals its clock: it has one zone, several with the same clock
    or, as some area codes do, a few. Unknown are numbers that may be anywhere in their country,
    such as toll-free numbers and Russian mobiles, and those without a country, as of satellites.
    There is one object for each place, so that places are compared by identity.
    """

    country: str
    zones: tuple[str, ...]
    is_known: bool


NOWHERE = Place(country="", zones=(), is_known=False)
_place_by_prefix: dict[str, Place] = {}


def place_of(e164: str) -> Place:
    """Return the country and the possible time zones of a number."""
    # Seven characters decide for nearly all numbers.
    place = _place_by_prefix.get(e164[:HEAD_CHARACTERS])
    return place if place is not None else _place_of_prefix(e164)


def _place_of_prefix(e164: str) -> Place:
    length = _prefix_length(e164[1:HEAD_CHARACTERS])
    prefix = e164[:length]
    place = _place_by_prefix.get(prefix)
    if place is None:
        place = _find_place(e164)
        # An invalid number must not decide for the valid ones that share its prefix.
        if not place.country:
            return place
    if len(_place_by_prefix) >= MAX_CACHED_PREFIXES:
        _place_by_prefix.clear()
    _place_by_prefix[prefix] = place
    if length < HEAD_CHARACTERS:
        _place_by_prefix[e164[:HEAD_CHARACTERS]] = place
    return place


def zones_of(e164: str) -> tuple[str, ...]:
    """Return the time zones that a number may lie in, by name.

    Most numbers have one, mobiles of large countries several, and numbers without a country, such
    as those of satellites, none.
    """
    return place_of(e164).zones


def have_one_clock(zones: tuple[str, ...]) -> bool:
    """Return whether clocks in all of these zones show the same time, this year and the next."""
    year = datetime.now(UTC).year
    return len({_clock(zone, year) for zone in zones}) == 1


def zone_of_callee(e164: str, own_zones: str | None, otherwise: str) -> str:
    """Return the zone whose clock a callee reads: that of its list, else that of its number.

    `own_zones` are names with blanks between them. Where clocks differ, it is `otherwise`.
    """
    zones = tuple(own_zones.split()) if own_zones else zones_of(e164)
    return zones[0] if zones and have_one_clock(zones) else otherwise


def canonical_zone(name: str) -> str:
    """Return the name that `zone.tab` uses; libphonenumber still says Asia/Calcutta."""
    return _renamed_zones().get(name, name)


@lru_cache(maxsize=1)
def zones_of_countries() -> dict[str, tuple[str, ...]]:
    """Return the time zones of each country (ISO 3166-1, two letters) from IANA's `zone.tab`."""
    zones: dict[str, list[str]] = defaultdict(list)
    for line in read_zone_table("zone.tab"):
        country, _, zone = line.split("\t")[:3]
        zones[country].append(zone)
    # Regions of libphonenumber that the table does not have: parts of another country's territory.
    zones |= {"AC": ["Atlantic/St_Helena"], "TA": ["Atlantic/St_Helena"], "XK": ["Europe/Belgrade"]}
    return {country: tuple(sorted(names)) for country, names in zones.items()}


def _find_place(e164: str) -> Place:
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return NOWHERE
    country = phonenumbers.region_code_for_number(number) or ""
    all_zones = zones_of_countries().get(country, ())
    if not all_zones:
        return NOWHERE
    names = _canonical(prefix_zones.time_zones_for_number(number))
    # The zones of the calling code alone: the digits behind it say nothing.
    is_anywhere = names >= _canonical(TIMEZONE_DATA.get(str(number.country_code), ()))
    corrected = correct_zones(e164[1:], names)
    zones = tuple(zone for zone in all_zones if zone in corrected)
    is_known = bool(zones) and not is_anywhere
    zones = zones or all_zones
    return _the_place(country, zones, is_known or have_one_clock(zones))


@cache
def _the_place(country: str, zones: tuple[str, ...], is_known: bool) -> Place:
    return Place(country, zones, is_known)


def _canonical(names: tuple[str, ...]) -> set[str]:
    return {canonical_zone(name) for name in names}


@lru_cache(maxsize=MAX_CACHED_PREFIXES)
def _prefix_length(digits: str) -> int:
    """Return how many characters of a number, its plus included, decide its place.

    `digits` are the first six after the plus.
    """
    code = _calling_code(digits)
    countries = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code or 0), ())
    if code == NORTH_AMERICA:
        decisive = len(code) + AREA_CODE_DIGITS
    elif len(countries) > 1 and code != RUSSIA_AND_KAZAKHSTAN:
        decisive = len(code) + SHARED_CODE_DIGITS
    elif len(zones_of_countries().get("".join(countries), ())) == 1:
        return 1 + len(code)
    else:
        decisive = len(code) + SEVERAL_ZONES_DIGITS
    return 1 + max(decisive, _longest_zone_prefix(digits[: len(code) + 3]))


def _calling_code(digits: str) -> str:
    """Return the calling code that a number begins with; all of `digits` if there is none."""
    for length in (1, 2, 3):
        if digits[:length].isdigit() and int(digits[:length]) in CALLING_CODES:
            return digits[:length]
    return digits if digits.isdigit() else ""


CALLING_CODES = frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@lru_cache(maxsize=20_000)
def _longest_zone_prefix(digits: str) -> int:
    """Return how long the longest prefix with zones of its own is that begins with these digits."""
    prefixes = chain(TIMEZONE_DATA, CORRECTIONS)
    return max((len(prefix) for prefix in prefixes if prefix.startswith(digits)), default=0)


@lru_cache(maxsize=2_000)
def _clock(zone: str, year: int) -> tuple[timedelta | None, ...]:
    """The offsets of a zone from UTC on two days of each month, for two years."""
    days = [(month, day) for month in range(1, 13) for day in (1, 15)]
    info = ZoneInfo(zone)
    return tuple(
        datetime(in_year, month, day, 12, tzinfo=UTC).astimezone(info).utcoffset()
        for in_year in (year, year + 1)
        for month, day in days
    )


@lru_cache(maxsize=1)
def _renamed_zones() -> dict[str, str]:
    """New names by old ones, for names that only `tzdata.zi` still knows (lines `L new old`)."""
    current = {zone for zones in zones_of_countries().values() for zone in zones}
    links = (line.split() for line in read_zone_table("tzdata.zi") if line.startswith("L "))
    return {old: new for _, new, old in links if new in current and old not in current}
