"""Who is never dialled, whoever asks: a list, a single call, a test call or a transfer
(reliability.md O7).
"""

import re

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.phonenumber import PhoneNumber

from voiceops.core.errors import Invalid

E164_PATTERN = re.compile(r"\+[1-9]\d{6,14}\Z", re.ASCII)
SATELLITE_COUNTRY_CODES = frozenset({870, 881, 882, 883})
REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "a premium rate number",
    PhoneNumberType.SHARED_COST: "a shared cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which is charged like premium rate",
    PhoneNumberType.UNKNOWN: "of no known kind",
}


def why_not_dialable(number: PhoneNumber) -> str | None:
    """A sentence without full stop, None for a number that may be dialled. `number` is valid.

    Emergency and short numbers are none of these: they have no spelling with a country code.
    """
    kind = (
        "a satellite number"
        if number.country_code in SATELLITE_COUNTRY_CODES
        else REFUSED_TYPES.get(phonenumbers.number_type(number))
    )
    if kind is None:
        return None
    return f"{phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)} is {kind}"


PHONE_PATTERN = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2015]+")


def to_e164(text: str) -> str:
    """`+12025550186` for any spelling of it with a country code. Raises Invalid (no extensions, no
    letters).
    """
    try:
        number = phonenumbers.parse(text) if PHONE_PATTERN.fullmatch(text) else None
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Invalid("Invalid phone number")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
