"""Regular expressions of whole numbering plans, made from libphonenumber's metadata: the fast way
to a verdict.

libphonenumber takes some 60 µs to parse and judge a number, a compiled expression less than one. An
expression accepts only what the library would accept unchanged and what may be dialled; everything
else (other spellings, plans with trunk digits that hide in the number, every refusal) is left to
the library. Tests compare the two on random numbers.
"""

import re
from dataclasses import dataclass
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

# The library's region for calling codes that belong to no country, such as 870 (Inmarsat).
WORLD = "001"
NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class NationalPlan:
    """How numbers are written inside one country. `trunk` is "" where nothing is dialled before the
    number.

    What begins with one of `odd` (digits dialled for other purposes, which the library strips as
    well) is no plain spelling.
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
    """The expression of one kind of number, lengths included as the library checks them; None when
    there are none.
    """
    if desc is None or desc.national_number_pattern is None or -1 in desc.possible_length:
        return None
    pattern: str = desc.national_number_pattern
    if not desc.possible_length:
        return rf"(?:{pattern})\Z"
    lengths = "|".join(rf"\d{{{length}}}\Z" for length in desc.possible_length)
    return rf"(?={lengths})(?:{pattern})\Z"


def _any_of(descs: list[PhoneNumberDesc | None]) -> str:
    found = [pattern for desc in descs if (pattern := _pattern_of(desc))]
    return "(?:" + "|".join(found) + ")" if found else "(?!)"


def _dialable_kinds(metadata: PhoneMetadata) -> str:
    """Valid in this region and none of premium rate, shared cost or personal."""
    refused = _any_of([metadata.premium_rate, metadata.shared_cost, metadata.personal_number])
    kinds = _any_of(
        [metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.voip, metadata.uan]
    )
    return f"(?!{refused})(?={_any_of([metadata.general_desc])}){kinds}"


@cache
def dialable_pattern(code: str) -> re.Pattern[str]:
    """Matches the national part (digits) of numbers under a calling code that are valid, unchanged
    and may be dialled.

    Only the code's main country is covered, for +1 also Canada: the library asks the countries of a
    shared code in turn, and the main one comes first.
    """
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(code), ())
    if not regions or regions[0] == WORLD:
        return NEVER
    main = _metadata(regions[0])
    if main.leading_digits:
        return NEVER
    stripped = f"(?!{main.national_prefix_for_parsing})" if main.national_prefix_for_parsing else ""
    choices = [_dialable_kinds(main)]
    if code == "1":
        others = [_metadata(region) for region in regions if region not in ("US", "CA")]
        taken = "|".join(other.leading_digits for other in others if other.leading_digits)
        canada = _metadata("CA")
        general = _any_of([main.premium_rate, main.personal_number, main.fixed_line, main.mobile])
        choices.append(f"(?!{taken})(?!{general}){_dialable_kinds(canada)}")
    length = (
        rf"(?=\d{{{7 - len(code)},{15 - len(code)}}}\Z)"  # E.164: up to 15 digits, code included
    )
    return re.compile(f"(?!0){length}{stripped}(?:{'|'.join(choices)})", re.ASCII)


@cache
def national_plan(region: str) -> NationalPlan | None:
    """The plan for national spellings in a region; None when its prefixes are not plain digits.

    Raises LookupError for a region the library does not know.
    """
    metadata = _metadata(region)
    if metadata.national_prefix_transform_rule:
        return None
    code = str(metadata.country_code)
    trunk: str = metadata.national_prefix or ""
    prefixes = (metadata.national_prefix_for_parsing or trunk).split("|")
    if trunk not in prefixes or not all(prefix.isdigit() or prefix == trunk for prefix in prefixes):
        return None
    if trunk and code != trunk and (code.startswith(trunk) or trunk.startswith(code)):
        return None
    general = _pattern_of(metadata.general_desc) or "(?!)"
    return NationalPlan(
        code=code,
        trunk_prefix=trunk,
        other_prefixes=tuple(prefix for prefix in prefixes if prefix != trunk),
        international=re.compile(metadata.international_prefix or "(?!)", re.ASCII),
        general=re.compile(general, re.ASCII),
    )


@cache
def calling_codes() -> dict[str, str]:
    """The first two digits of an international number -> its calling code, where two digits decide;
    "" where not.
    """
    codes = {str(code) for code in COUNTRY_CODE_TO_REGION_CODE}
    table = {}
    for first in range(100):
        digits = f"{first:02d}"
        found = next((prefix for prefix in (digits[:1], digits) if prefix in codes), "")
        table[digits] = found
    return table
