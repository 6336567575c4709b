"""The region of its country that a number belongs to, as far as public holidays ask for it.

Known for area codes: libphonenumber names their state (California, Ontario) or a city that is one
(Berlin), in Australia the time zone tells, and for some countries a table
(batches/dialing/area_codes.py). Not known elsewhere, and for mobiles of most countries.
"""

from functools import lru_cache

import phonenumbers

from batches.dialing.area_codes import region_by_area_code
from batches.dialing.number_zones import place_of
from voiceops.core.holiday_library import holidays

# Numbers with the same first characters lie in the same region.
REGION_PREFIX_CHARACTERS = 8
AUSTRALIAN_REGIONS = {
    "Australia/Adelaide": "SA",
    "Australia/Brisbane": "QLD",
    "Australia/Darwin": "NT",
    "Australia/Hobart": "TAS",
    "Australia/Lindeman": "QLD",
    "Australia/Melbourne": "VIC",
    "Australia/Perth": "WA",
    "Australia/Sydney": "NSW",
}
CANBERRA = ("+61261", "+61262")
_region_by_prefix: dict[str, str] = {}
MAX_CACHED_REGIONS = 100_000


def region_of(e164: str) -> str:
    """Return the region's code as `holidays` has it, without its country's; empty if unknown."""
    prefix = e164[:REGION_PREFIX_CHARACTERS]
    region = _region_by_prefix.get(prefix)
    if region is None:
        if len(_region_by_prefix) >= MAX_CACHED_REGIONS:
            _region_by_prefix.clear()
        region = _region_by_prefix[prefix] = _find_region(e164)
    return region


def _find_region(e164: str) -> str:
    place = place_of(e164)
    if e164.startswith(CANBERRA):
        return "ACT"
    if place.country == "AU" and len(place.zones) == 1:
        return AUSTRALIAN_REGIONS.get(place.zones[0], "")
    regions = _regions_of(place.country)
    if not regions:
        return ""
    return regions.get(_described(e164), "") or _region_by_area_code(e164, place.country)


def _region_by_area_code(e164: str, country: str) -> str:
    number = phonenumbers.parse(e164)
    if phonenumbers.number_type(number) != phonenumbers.PhoneNumberType.FIXED_LINE:
        return ""
    return region_by_area_code(country, str(number.national_number))


def _described(e164: str) -> str:
    """Return libphonenumber's English words for where a number is; a state, or a city."""
    # Imported here: its tables take 60 MB, and most batches never ask.
    from phonenumbers import geocoder  # noqa: PLC0415  - heavy, and rarely needed

    words = geocoder.description_for_number(phonenumbers.parse(e164), "en")
    return str(words).rpartition(", ")[2]


@lru_cache(maxsize=300)
def _regions_of(country: str) -> dict[str, str]:
    """Return the codes of a country's regions by code and by name."""
    if country not in holidays.list_supported_countries():
        return {}
    calendar = getattr(holidays, country)
    codes = {code: code for code in calendar.subdivisions}
    return {**codes, **calendar.subdivisions_aliases, **OTHER_NAMES.get(country, {})}


# libphonenumber's English names, where `holidays` has only others.
OTHER_NAMES = {"US": {"Washington D.C.": "DC", "Washington State": "WA"}}
