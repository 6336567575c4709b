"""Masking of phone numbers where they need not be read in full: staff pages, audit log, logs."""

import re

NUMBER_PATTERN = re.compile(r"\+\d{7,15}")


def mask_numbers_in(text: str) -> str:
    """Return the text with every number (E.164) masked."""
    return NUMBER_PATTERN.sub(lambda found: mask_number(found[0]), text)


def mask_number(number: str) -> str:
    """Return `+1202•••••86`, which is enough to recognise a known number.

    Texts shorter than a phone number are returned as they are.
    """
    if len(number) < 8:
        return number
    return f"{number[:5]}{'•' * (len(number) - 7)}{number[-2:]}"
