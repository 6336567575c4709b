"""Cells that a spreadsheet would run as a formula, made harmless and back.

The guard is undone when a file comes back, so a list can make the round any number of times.
"""

import re
from typing import Any

import phonenumbers

from voiceops.core.phone_numbers import E164_PATTERN

# What a spreadsheet would run as a formula (docs/reference/reliability.md §E6). The wide forms are
# formulas where people type them.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")
GUARD = "'"
_GUARDED_STARTS = (*FORMULA_PREFIXES, GUARD)
# One number with its sign, and marks without letters or digits: nothing is computed.
_SIGNED_NUMBER = re.compile(
    r"[+-]\s?[$€£¥₹]?\s?(?:\d[\d.,'\u2019\u00a0\u202f ]*|[.,]\d+)(?:[eE][+-]?\d{1,3})?"
    r"\s?[%$€£¥₹]?\Z"
)
_DASHES = re.compile(r"-+\Z")
_WRITTEN_PHONE = re.compile(r"\+[\d\s().\-/\u00a0]{7,30}\Z")


def escape_formula(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run; numbers and phone numbers stay.

    Text that would look guarded without being so gets one more, so that `unescape_formula` is
    always the reverse.
    """
    if not text.startswith(_GUARDED_STARTS):
        return text
    bare = text.lstrip(GUARD)
    if not bare.startswith(FORMULA_PREFIXES):
        return text
    return text if text == bare and _is_harmless(text) else GUARD + text


def unescape_formula(cell: Any) -> Any:
    """Undo `escape_formula`; cells that are not text are returned as they are."""
    is_guarded = (
        isinstance(cell, str)
        and cell[:1] == GUARD
        and cell.lstrip(GUARD).startswith(FORMULA_PREFIXES)
    )
    return cell[1:] if is_guarded else cell


def _is_harmless(text: str) -> bool:
    """Whether a text that begins like a formula is a number, a phone number or a dash."""
    if E164_PATTERN.match(text) or _SIGNED_NUMBER.match(text) or _DASHES.match(text):
        return True
    if not _WRITTEN_PHONE.match(text):
        return False
    # "+1-1" and longer sums are written like numbers, but no phone has them.
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False
