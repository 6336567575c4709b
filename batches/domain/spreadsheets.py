"""What exports and imports share: formulas made harmless, and the columns of rejected.csv."""

from typing import Any

from voiceops.core.phone_numbers import E164_PATTERN

REJECTION_COLUMNS = ("row_number", "error_code", "error_message")
"""The columns that rejected.csv has after the uploaded ones."""

# What a spreadsheet would run as a formula (docs/reference/reliability.md §E6).
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\0")


def escape_formula(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run; phone numbers in E.164 stay."""
    return (
        f"'{text}" if text.startswith(FORMULA_PREFIXES) and not E164_PATTERN.match(text) else text
    )


def unescape_formula(cell: Any) -> Any:
    """Undo `escape_formula`; cells that are not text are returned as they are."""
    if isinstance(cell, str) and cell[:1] == "'" and cell[1:].startswith(FORMULA_PREFIXES):
        return cell[1:]
    return cell
