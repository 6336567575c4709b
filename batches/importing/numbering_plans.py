"""Regular expressions of whole numbering plans, made from libphonenumber's metadata.

libphonenumber takes some 60 µs to parse and validate a number, a compiled expression less than one.
An expression accepts only what the library would accept unchanged and what may be dialled.
Everything else is left to the library: other spellings, plans with trunk digits that hide in the
number, every refusal. Tests compare the two on random numbers.
"""

import re
from dataclasses import dataclass
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

# The library's region for calling codes without a country, such as 870 (Inmarsat).
WORLD = "001"
NOTHING = "(?!)"
MATCHES_NOTHING = re.compile(NOTHING)
# Lengths of E.164 numbers, calling code included.
MIN_E164_DIGITS = 7
MAX_E164_DIGITS = 15


@dataclass(frozen=True, slots=True)
class NationalPlan:
    """How numbers are written inside one country.

    `trunk_prefix` is "" where nothing is dialled before the number. `other_prefixes` are digits
    dialled for other purposes, which the library strips as well: what begins with one of them is
    not a plain spelling.
    """

    code: str
    trunk_prefix: str
    other_prefixes: tuple[str, ...]
    international: re.Pattern[str]
    general: re.Pattern[str]


def _metadata(region: str) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        raise LookupError(f"libphonenumber knows no region {region}")
    return metadata


def _pattern_of(desc: PhoneNumberDesc | None) -> str | None:
    """Return the expression of one kind of number, with its lengths; None when there are none."""
    if desc is None or desc.national_number_pattern is None or -1 in desc.possible_length:
        return None
    pattern: str = desc.national_number_pattern
    if not desc.possible_length:
        return rf"(?:{pattern})\Z"
    lengths = "|".join(rf"\d{{{length}}}\Z" for length in desc.possible_length)
    return rf"(?={lengths})(?:{pattern})\Z"


def _any_of(descs: list[PhoneNumberDesc | None]) -> str:
    patterns = [pattern for desc in descs if (pattern := _pattern_of(desc))]
    return "(?:" + "|".join(patterns) + ")" if patterns else NOTHING


def _dialable_kinds(metadata: PhoneMetadata) -> str:
    """Return the expression of valid numbers that are not premium rate, shared cost or personal."""
    refused = _any_of([metadata.premium_rate, metadata.shared_cost, metadata.personal_number])
    kinds = _any_of(
        [metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.voip, metadata.uan]
    )
    return f"(?!{refused})(?={_any_of([metadata.general_desc])}){kinds}"


def _dialable_in_canada(united_states: PhoneMetadata, regions: tuple[str, ...]) -> str:
    """Return the expression of Canada's numbers that the library assigns to no other region of +1.

    The library asks the regions of a shared code in turn, the United States first.
    """
    others = [_metadata(region) for region in regions if region not in ("US", "CA")]
    leading = "|".join(other.leading_digits for other in others if other.leading_digits)
    american = _any_of(
        [
            united_states.premium_rate,
            united_states.personal_number,
            united_states.fixed_line,
            united_states.mobile,
        ]
    )
    return f"(?!{leading})(?!{american}){_dialable_kinds(_metadata('CA'))}"


@cache
def dialable_pattern(code: str) -> re.Pattern[str]:
    """Return the pattern of numbers under a calling code that are valid, plain and may be dialled.

    It matches the national part (digits). Only the code's main country is covered, and for +1 also
    Canada. Raises LookupError for a region the library does not know.
    """
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    if not regions or regions[0] == WORLD:
        return MATCHES_NOTHING
    main = _metadata(regions[0])
    # Regions told apart by their leading digits are left to the library.
    if main.leading_digits:
        return MATCHES_NOTHING

    choices = [_dialable_kinds(main)]
    if code == "1":
        choices.append(_dialable_in_canada(main, regions))
    prefix = main.national_prefix_for_parsing
    not_stripped = f"(?!{prefix})" if prefix else ""
    shortest, longest = MIN_E164_DIGITS - len(code), MAX_E164_DIGITS - len(code)
    length = rf"(?=\d{{{shortest},{longest}}}\Z)"
    return re.compile(f"(?!0){length}{not_stripped}(?:{'|'.join(choices)})", re.ASCII)


@cache
def national_plan(region: str) -> NationalPlan | None:
    """Return the plan for national spellings in a region.

    None when its prefixes are not plain digits. Raises LookupError for a region the library does
    not know.
    """
    metadata = _metadata(region)
    # Prefixes that change the number, as in Argentina, are left to the library.
    if metadata.national_prefix_transform_rule:
        return None
    code = str(metadata.country_code)
    trunk: str = metadata.national_prefix or ""
    prefixes = (metadata.national_prefix_for_parsing or trunk).split("|")
    if trunk not in prefixes or not all(prefix.isdigit() or prefix == trunk for prefix in prefixes):
        return None
    # A trunk prefix that looks like the country code makes spellings ambiguous.
    if trunk and code != trunk and (code.startswith(trunk) or trunk.startswith(code)):
        return None
    return NationalPlan(
        code=code,
        trunk_prefix=trunk,
        other_prefixes=tuple(prefix for prefix in prefixes if prefix != trunk),
        international=re.compile(metadata.international_prefix or NOTHING, re.ASCII),
        general=re.compile(_pattern_of(metadata.general_desc) or NOTHING, re.ASCII),
    )


@cache
def calling_codes() -> dict[str, str]:
    """Map the first two digits of an international number to its calling code.

    "" where two digits do not decide. No calling code begins with a zero.
    """
    codes = {str(code) for code in COUNTRY_CODE_TO_REGION_CODE}
    table = {}
    for digits in map(str, range(10, 100)):
        table[digits] = next((prefix for prefix in (digits[:1], digits) if prefix in codes), "")
    return table
