"""Phone numbers: E.164, and kinds of numbers that are never dialled.

The latter holds for lists, single calls, test calls and transfers alike
(docs/reference/reliability.md §O7).
"""

import re

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.phonenumber import PhoneNumber

from voiceops.core.errors import Invalid

E164_PATTERN = re.compile(r"\+[1-9]\d{6,14}\Z", re.ASCII)
# Digits and the punctuation of written numbers; no letters, no extensions.
WRITTEN_NUMBER_PATTERN = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2015]+")
SATELLITE_COUNTRY_CODES = frozenset({870, 881, 882, 883})
REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "a premium rate number",
    PhoneNumberType.SHARED_COST: "a shared cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which is charged like premium rate",
    PhoneNumberType.UNKNOWN: "of no known kind",
}


def to_e164(text: str) -> str:
    """Return `+12025550186` for any spelling of the number that has a country code.

    Raises Invalid for everything else, including extensions and letters.
    """
    try:
        # The library would also accept letters and extensions, which cannot be dialled as they are.
        number = phonenumbers.parse(text) if WRITTEN_NUMBER_PATTERN.fullmatch(text) else None
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Invalid("Invalid phone number")
    return format_e164(number)


def format_e164(number: PhoneNumber) -> str:
    """Return a parsed number in E.164."""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def why_not_dialable(number: PhoneNumber) -> str | None:
    """Return why a valid number is never dialled, without a full stop; None if it may be.

    Emergency and short numbers need no check, because they have no form with a country code.
    """
    if number.country_code in SATELLITE_COUNTRY_CODES:
        kind: str | None = "a satellite number"
    else:
        kind = REFUSED_TYPES.get(phonenumbers.number_type(number))
    return f"{format_e164(number)} is {kind}" if kind else None
