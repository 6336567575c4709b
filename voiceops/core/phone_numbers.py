"""Phone numbers: E.164, and kinds of numbers that are never dialled.

The latter holds for lists, single calls, test calls and transfers alike
(docs/reference/reliability.md §O7).
"""

import re
import unicodedata

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.phonenumber import PhoneNumber

from voiceops.core.changed_plans import update_number
from voiceops.core.errors import Invalid

E164_PATTERN = re.compile(r"\+[1-9]\d{6,14}\Z", re.ASCII)
# Digits and the punctuation of written numbers; no letters, no extensions.
WRITTEN_NUMBER_PATTERN = re.compile(r"\+?[\d\s().\-/\u00a0\u2010-\u2015\u2212]+")
# Characters without a shape of their own, which phones and web pages put around numbers they copy.
INVISIBLE_RANGES = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # grapheme joiner
    (0x061C, 0x061C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0x200B, 0x200F),  # zero widths, marks of writing direction
    (0x202A, 0x202E),  # embeddings and overrides
    (0x2060, 0x206F),  # word joiner, isolates
    (0x20E3, 0x20E3),  # the frame of a keycap
    (0x2800, 0x2800),  # Braille blank
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xFFF9, 0xFFFC),  # interlinear annotations, place of an object
    (0xE0000, 0xE01EF),  # tags, further variation selectors
)
_INVISIBLE = dict.fromkeys(
    code for first, last in INVISIBLE_RANGES for code in range(first, last + 1)
)
SATELLITE_COUNTRY_CODES = frozenset({870, 881, 882, 883})
REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE: "a premium rate number",
    PhoneNumberType.SHARED_COST: "a shared cost number",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which is charged like premium rate",
    PhoneNumberType.UNKNOWN: "of no known kind",
}


def normalize_spelling(text: str) -> str:
    """Return a number's spelling without what nobody sees or means.

    Invisible characters and blanks around it are gone; full-width digits and signs are plain ones.
    """
    return unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).strip()


def to_e164(text: str) -> str:
    """Return `+12025550186` for any spelling of the number that has a country code.

    A number of a numbering plan that has changed is returned in its new form. Raises Invalid for
    everything else, including extensions and letters.
    """
    # Tabs and line breaks inside a number are blanks, which the library does not know.
    spelling = " ".join(normalize_spelling(text).split())
    try:
        # The library would also accept letters and extensions, which cannot be dialled as they are.
        is_written = WRITTEN_NUMBER_PATTERN.fullmatch(spelling)
        number = phonenumbers.parse(spelling) if is_written else None
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and not phonenumbers.is_valid_number(number):
        number = update_number(number)
    if number is None:
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
