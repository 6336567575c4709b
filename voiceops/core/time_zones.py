"""Names of time zones, as people write them."""

import re
from functools import lru_cache
from zoneinfo import available_timezones

MAX_ZONE_CHARACTERS = 64
# What people in North America write. Elsewhere CST, for example, is China's.
NORTH_AMERICAN_ZONES = {
    "eastern": "America/New_York",
    "et": "America/New_York",
    "est": "America/New_York",
    "edt": "America/New_York",
    "central": "America/Chicago",
    "ct": "America/Chicago",
    "cst": "America/Chicago",
    "cdt": "America/Chicago",
    "mountain": "America/Denver",
    "mt": "America/Denver",
    "mst": "America/Denver",
    "mdt": "America/Denver",
    "pacific": "America/Los_Angeles",
    "pt": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
}
# The third sign is the minus of typographers.
_OFFSET = re.compile(r"(?:utc|gmt)?\s*([+\-\u2212])(\d{1,2})(?::?00)?", re.IGNORECASE)
MAX_OFFSET_HOURS = {"+": 14, "-": 12}


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all IANA time zones. Listing them reads a directory of files."""
    return frozenset(available_timezones() - {"localtime"})


@lru_cache(maxsize=10_000)
def find_zone(text: str, *, is_north_american: bool = False) -> str | None:
    """Return the IANA time zone that a text names; None if it names none.

    Case and blanks make no difference, "UTC+2" is a zone without summer time, and "Eastern" or
    "PST" are understood for North American numbers.
    """
    # HubSpot writes us_slash_pacific.
    name = " ".join(text.replace("_slash_", "/").split())
    if is_north_american and (zone := NORTH_AMERICAN_ZONES.get(_without_time(name.lower()))):
        return zone
    if zone := _zones_by_lower_name().get(name.lower().replace(" ", "_")):
        return zone
    if offset := _OFFSET.fullmatch(name):
        sign, hours = "+" if offset[1] == "+" else "-", int(offset[2])
        # The signs of these zones are the other way round.
        inverse = "-" if sign == "+" else "+"
        return f"Etc/GMT{inverse}{hours}" if 0 < hours <= MAX_OFFSET_HOURS[sign] else None
    return None


def _without_time(name: str) -> str:
    return name.removesuffix(" time").removesuffix(" standard").removesuffix(" daylight")


@lru_cache(maxsize=1)
def _zones_by_lower_name() -> dict[str, str]:
    return {name.lower(): name for name in zone_names()}
