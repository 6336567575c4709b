"""Phone numbers of people where all of them need not be read: lists for staff, the audit log."""

import re

NUMBER_PATTERN = re.compile(r"\+\d{7,15}")


def mask_numbers_in(text: str) -> str:
    """Every number in a sentence."""
    return NUMBER_PATTERN.sub(lambda found: mask_number(found[0]), text)


def mask_number(number: str) -> str:
    """`+1202•••••86`: enough to recognise a number one knows. Short texts, which are no phone
    numbers, stay whole.
    """
    if len(number) < 8:
        return number
    return f"{number[:5]}{'•' * (len(number) - 7)}{number[-2:]}"
