"""The form in which a trunk wants numbers dialled.

Numbers are E.164 everywhere else: in lists, results, suppressions and webhooks.
"""

import re

import phonenumbers
from phonenumbers import PhoneNumberFormat

from telephony.models import DialFormat, PhoneNumber

DIAL_PREFIX = re.compile(r"[0-9*#]{1,16}", re.ASCII)


def dialled_form(number: PhoneNumber, to: str) -> str:
    """Return `to` (E.164) as the trunk of the number wants it dialled, its prefix in front."""
    prefix = number.dial_prefix or ""
    if number.dial_format == DialFormat.NO_PLUS:
        return prefix + to.removeprefix("+")
    if number.dial_format == DialFormat.NATIONAL:
        return prefix + _national_form(to, own=number.phone_number)
    return prefix + to


def national_spelling(phone_number: str) -> str:
    """Return a number (E.164) as it is dialled inside its own country, digits only."""
    parsed = phonenumbers.parse(phone_number)
    return _dialled_keys(phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL))


def _national_form(to: str, *, own: str) -> str:
    """Return `to` as it is dialled where `own` is at home: abroad with that country's access code.

    Of countries that have no single access code the plus sign stays.
    """
    home, callee = phonenumbers.parse(own), phonenumbers.parse(to)
    if home.country_code == callee.country_code:
        return national_spelling(to)
    region = phonenumbers.region_code_for_number(home) or ""
    return _dialled_keys(phonenumbers.format_out_of_country_calling_number(callee, region))


def _dialled_keys(written: str) -> str:
    return "".join(key for key in written if key.isdigit() or key == "+")
