"""Phone numbers of people where all of them need not be read: lists for staff, the audit log."""


def masked(number: str) -> str:
    """`+1202•••••86`: enough to recognise a number one knows. Short texts, which are no phone numbers, stay whole."""
    if len(number) < 8:
        return number
    return f"{number[:5]}{'•' * (len(number) - 7)}{number[-2:]}"
