"""Names of time zones, as people write them."""

import re
from collections import defaultdict
from functools import lru_cache
from importlib.resources import files
from zoneinfo import available_timezones

from voiceops.core.zone_words import (
    ABBREVIATIONS,
    NORTH_AMERICAN_ZONES,
    ODD_OFFSETS,
    ZONES_OF_TIMES,
)

MAX_ZONE_CHARACTERS = 64
# The third sign is the minus of typographers.
_OFFSET = re.compile(r"(?:utc|gmt)?\s*([+\-\u2212])(\d{1,2})(?::?(\d\d)|\.(5)0?)?", re.IGNORECASE)
MAX_OFFSET_HOURS = {"+": 14, "-": 12}
# As Outlook and Rails write zones: (GMT-05:00) Eastern Time (US & Canada).
_IN_BRACKETS = re.compile(r"\A\((?:GMT|UTC)[^)]*\)\s*|\s*\(US (?:&|and) Canada\)\Z", re.IGNORECASE)
_TIME = re.compile(r"(?: standard| daylight| summer)? time\Z")


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all IANA time zones. Listing them reads a directory of files."""
    return frozenset(available_timezones() - {"localtime"})


def read_zone_table(name: str) -> list[str]:
    """Return the lines of a table of the `tzdata` package, without comments."""
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=10_000)
def find_zone(text: str, *, is_north_american: bool = False) -> str | None:
    """Return the IANA time zone that a text names; None if it names none.

    Case and blanks make no difference, "UTC+2" is a zone without summer time, "Tokyo" and "India
    Standard Time" are understood, and "Eastern" or "PST" for North American numbers.
    """
    # HubSpot writes us_slash_pacific.
    words = " ".join(text.replace("_slash_", "/").replace("/", " / ").split())
    name = _IN_BRACKETS.sub("", words.replace(" / ", "/")).lower()
    short = _TIME.sub("", name)
    if is_north_american and (zone := NORTH_AMERICAN_ZONES.get(short)):
        return zone
    zone = _zones_by_lower_name().get(name.replace(" ", "_"))
    zone = zone or (ABBREVIATIONS if short == name else ZONES_OF_TIMES).get(short)
    return zone or _zone_of_offset(name) or _zone_of_city(short, is_american=is_north_american)


def _zone_of_offset(name: str) -> str | None:
    offset = _OFFSET.fullmatch(name)
    if offset is None:
        return None
    sign, hours = "+" if offset[1] == "+" else "-", int(offset[2])
    minutes = "30" if offset[4] else offset[3] or "00"
    if minutes != "00":
        return ODD_OFFSETS.get(f"{sign}{hours}:{minutes}")
    if hours == 0:
        return "UTC"
    # The signs of these zones are the other way round.
    inverse = "-" if sign == "+" else "+"
    return f"Etc/GMT{inverse}{hours}" if hours <= MAX_OFFSET_HOURS[sign] else None


def _zone_of_city(name: str, *, is_american: bool) -> str | None:
    """Return the zone that is named after a city. Paris and London are in North America, too."""
    zone = _zones_by_city().get(name)
    is_elsewhere = zone is not None and not zone.startswith(("America/", "Pacific/Honolulu"))
    return None if is_american and is_elsewhere else zone


@lru_cache(maxsize=1)
def _zones_by_lower_name() -> dict[str, str]:
    return {name.lower(): name for name in zone_names()}


@lru_cache(maxsize=1)
def _zones_by_city() -> dict[str, str]:
    zones: dict[str, set[str]] = defaultdict(set)
    for line in read_zone_table("zone.tab"):
        zone = line.split("\t")[2]
        zones[zone.rpartition("/")[2].replace("_", " ").lower()].add(zone)
    return {city: names.pop() for city, names in zones.items() if len(names) == 1}
