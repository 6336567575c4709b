"""Days as each language writes them, from Unicode's CLDR."""

from datetime import date

from babel.dates import format_skeleton
from django.utils.translation import get_language

# English with the day before the month, as everywhere but in America.
ENGLISH = "en_GB"


def day_words(
    day: date, *, has_year: bool = True, has_weekday: bool = False, is_short: bool = True
) -> str:
    """Return `10 Mar 2026`, `10. März 2026` and so on, in the page's language."""
    language = get_language() or "en"
    locale = ENGLISH if language == "en" else language.replace("-", "_")
    parts = ("y" if has_year else "", "MMM" if is_short else "MMMM", "E" if has_weekday else "")
    return format_skeleton(f"{''.join(parts)}d", day, locale=locale)
