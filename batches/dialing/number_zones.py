"""The time zones that a phone number may lie in.

libphonenumber knows zones by prefix, but gives some countries the zone of a neighbour (Algeria gets
Paris), and numbers that are not geographic every zone of their calling code (a mobile of Jamaica
gets all of North America). The zones of a number are therefore those of libphonenumber that belong
to the number's own country by the IANA table `zone.tab`. Where none does, they are all zones of the
country.
"""

from collections import defaultdict
from functools import lru_cache
from importlib.resources import files

import phonenumbers
from phonenumbers import timezone as prefix_zones


@lru_cache(maxsize=20_000)
def zones_of(e164: str) -> tuple[str, ...]:
    """Return the time zones that a number may lie in, by name.

    Most numbers have one, mobiles of large countries several, and numbers without a country, such
    as those of satellites, none.
    """
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return ()
    zones = zones_of_countries().get(phonenumbers.region_code_for_number(number) or "", ())
    names = {canonical_zone(name) for name in prefix_zones.time_zones_for_number(number)}
    return tuple(zone for zone in zones if zone in names) or zones


def canonical_zone(name: str) -> str:
    """Return the name that `zone.tab` uses; libphonenumber still says Asia/Calcutta."""
    return _renamed_zones().get(name, name)


@lru_cache(maxsize=1)
def zones_of_countries() -> dict[str, tuple[str, ...]]:
    """Return the time zones of each country (ISO 3166-1, two letters) from IANA's `zone.tab`."""
    zones: dict[str, list[str]] = defaultdict(list)
    for line in _read_table("zone.tab"):
        country, _, zone = line.split("\t")[:3]
        zones[country].append(zone)
    # Regions of libphonenumber that the table does not have: parts of another country's territory.
    zones |= {"AC": ["Atlantic/St_Helena"], "TA": ["Atlantic/St_Helena"], "XK": ["Europe/Belgrade"]}
    return {country: tuple(sorted(names)) for country, names in zones.items()}


@lru_cache(maxsize=1)
def _renamed_zones() -> dict[str, str]:
    """New names by old ones, for names that only `tzdata.zi` still knows (lines `L new old`)."""
    current = {zone for zones in zones_of_countries().values() for zone in zones}
    links = (line.split() for line in _read_table("tzdata.zi") if line.startswith("L "))
    return {old: new for _, new, old in links if new in current and old not in current}


def _read_table(name: str) -> list[str]:
    """Lines of a table of the `tzdata` package, without comments."""
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
