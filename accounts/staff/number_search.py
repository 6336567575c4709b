"""What staff type to find somebody: a number in any spelling, or its last digits."""

from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException

from voiceops.core.phone_numbers import WRITTEN_NUMBER_PATTERN, format_e164, normalize_spelling

MIN_LAST_DIGITS = 3
MIN_NUMBER_DIGITS = 7
MAX_NUMBER_DIGITS = 17  # 15 of E.164, after 00


def possible_numbers(term: str) -> list[str]:
    """Return every valid number in E.164 that the term may be a spelling of, in any country.

    A national spelling may be a number in several countries. A term with a country code means one
    number alone, and without its plus it may be either.
    """
    digits = _digits_in(term)
    if digits is None or not MIN_NUMBER_DIGITS <= len(digits) <= MAX_NUMBER_DIGITS:
        return []
    if normalize_spelling(term).lstrip("(").startswith("+"):
        return [f"+{digits}"]
    if digits.startswith("00"):
        return [f"+{digits[2:]}"]
    return list(dict.fromkeys([f"+{digits}", *_national_numbers(digits)]))


def last_digits(term: str) -> str | None:
    """Return the digits of a term that is too short to be a whole number, else None."""
    digits = _digits_in(term)
    is_part = digits is not None and MIN_LAST_DIGITS <= len(digits) < MIN_NUMBER_DIGITS
    return digits if is_part else None


def _digits_in(term: str) -> str | None:
    spelling = " ".join(normalize_spelling(term).removeprefix("tel:").split())
    if not WRITTEN_NUMBER_PATTERN.fullmatch(spelling):
        return None
    return "".join(character for character in spelling if character.isdigit())


def _national_numbers(digits: str) -> list[str]:
    """Return the valid numbers that are written so in some country."""
    found = []
    for region in _main_regions():
        try:
            number = phonenumbers.parse(digits, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            found.append(format_e164(number))
    return found


@lru_cache(maxsize=1)
def _main_regions() -> tuple[str, ...]:
    """Return one region of every country code: the others parse a number to the same one."""
    return tuple(
        phonenumbers.region_code_for_country_code(code)
        for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
        if phonenumbers.region_code_for_country_code(code) != "001"
    )
