"""Time zones of postal codes in the United States and Canada.

The zones of ZIP codes were read from the data of the PyPI package `zipcodes` 3.0.0 (MIT), which
knows the zone of every code; here stand those of the first three digits. Where codes of one prefix
lie in several zones, all of them are named, because a border may run through a single code. Those
with one clock have one name: that of Louisville is New York's. Military codes have no zone.

Of Canada's codes those are here whose first letters leave no doubt: Quebec's islands, Labrador, the
borders of provinces and the Arctic are left out.
"""

import re
from functools import lru_cache
from types import MappingProxyType

UNITED_STATES, CANADA = "US", "CA"
# Countries of their own in phone numbers, whose addresses have ZIP codes.
TERRITORIES = frozenset({"AS", "GU", "MP", "PR", "VI"})

ZIP_PREFIXES_OF_ZONES = MappingProxyType(
    {
        "America/Adak": "99546 99547",
        "America/Anchorage": "995-999",
        "America/Chicago": (
            "325 350-352 354-372 375 380-397 420-424 463-464 476-477 500-516 520-528 530-532 "
            "534-535 537-551 553-567 570-574 580-584 587 600-620 622-631 633-641 644-658 660-662 "
            "664-676 679-681 683-689 700-701 703-708 710-714 716-731 733-741 743-770 772-797"
        ),
        "America/Chicago America/Denver": "575-576 585-586 588 677-678 690-692 798",
        "America/Chicago America/New_York": ("324 373 377 401 426-427 465 469 475 479 498-499"),
        "America/Denver": ("577 590-599 693 799 800-816 820-834 836-837 840-847 870-871 873-885"),
        "America/Denver America/Los_Angeles": "835 898 979",
        "America/Denver America/Phoenix": "860 865",
        "America/Los_Angeles": (
            "838 889-891 893-895 897 900-908 910-928 930-961 970-978 980-986 988-994"
        ),
        "America/New_York": (
            "005 010-089 100-212 214-268 270-323 326-339 341-342 344 346-347 349 374 376 378-379 "
            "398-400 402-418 425 430-462 466-468 470-474 478 480-497 569 888"
        ),
        "America/Phoenix": "850-853 855-857 859 863-864",
        "America/Puerto_Rico": "006-009",
        "Pacific/Guam": "9691 9692 9693 9695",
        "Pacific/Honolulu": "967-968",
        "Pacific/Pago_Pago": "96799",
    }
)
CANADIAN_PREFIXES_OF_ZONES = MappingProxyType(
    {
        "America/Edmonton": "T X1",
        "America/Halifax": "B C E",
        "America/Regina": "S4 S6 S7",
        "America/St_Johns": "A1",
        "America/Toronto": "G1 G2 G3 G5 G6 G7 G8 G9 H J K L M N P1 P2 P3 P4 P5 P6 P7",
        "America/Vancouver": "V2 V3 V4 V5 V6 V7 V8 V9",
        "America/Whitehorse": "Y",
        "America/Winnipeg": "R",
    }
)

# Spreadsheets take the zeros from the beginning of a ZIP code.
_ZIP = re.compile(r"(\d{3,5})(?:-\d{4})?|(\d{5})\d{4}")
_CANADIAN = re.compile(r"([A-Z]\d[A-Z])(?:[ -]?\d[A-Z]\d)?")
ZIP_DIGITS = 5


@lru_cache(maxsize=50_000)
def find_postal_zones(code: str, country: str) -> str | None:
    """Return the names of the zones a postal code may lie in, with blanks between; None if unknown.

    `country` is that of the phone number (ISO 3166-1): a ZIP code belongs to a number of the United
    States or one of its territories, and other countries' codes are not known.
    """
    text = " ".join(code.upper().split())
    if country == UNITED_STATES or country in TERRITORIES:
        found = _ZIP.fullmatch(text)
        digits = found and (found[1] or found[2])
        return _longest_match(_zip_zones(), digits.zfill(ZIP_DIGITS)) if digits else None
    found = _CANADIAN.fullmatch(text) if country == CANADA else None
    return _longest_match(_canadian_zones(), found[1]) if found else None


def _longest_match(zones: dict[str, str], code: str) -> str | None:
    prefixes = (code[:length] for length in range(len(code), 0, -1))
    return next((zones[prefix] for prefix in prefixes if prefix in zones), None)


@lru_cache(maxsize=1)
def _zip_zones() -> dict[str, str]:
    return {
        prefix: zones
        for zones, ranges in ZIP_PREFIXES_OF_ZONES.items()
        for stretch in ranges.split()
        for prefix in _prefixes_of(stretch)
    }


def _prefixes_of(stretch: str) -> list[str]:
    """Return the prefixes of a range such as `010-089`, or the only one."""
    first, _, last = stretch.partition("-")
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last or first) + 1)]


@lru_cache(maxsize=1)
def _canadian_zones() -> dict[str, str]:
    return {
        prefix: zone
        for zone, prefixes in CANADIAN_PREFIXES_OF_ZONES.items()
        for prefix in prefixes.split()
    }
