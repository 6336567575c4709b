"""Who is never dialled, whoever asks: a list, a single call, a test call or a transfer (reliability.md O7)."""

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.phonenumber import PhoneNumber

SATELLITE = frozenset({870, 881, 882, 883})
REFUSED = {
    PhoneNumberType.PREMIUM_RATE: "a premium rate number",
    PhoneNumberType.SHARED_COST: "a shared cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which is charged like premium rate",
    PhoneNumberType.UNKNOWN: "of no known kind",
}


def why_not_dialable(number: PhoneNumber) -> str | None:
    """A sentence without full stop, None for a number that may be dialled. `number` is valid.

    Emergency and short numbers are none of these: they have no spelling with a country code.
    """
    kind = "a satellite number" if number.country_code in SATELLITE else REFUSED.get(phonenumbers.number_type(number))
    if kind is None:
        return None
    return f"{phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)} is {kind}"
