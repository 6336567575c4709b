"""Days as each language writes them, from Unicode's CLDR."""

from datetime import date

from babel.dates import format_skeleton
from django.utils.translation import get_language

# English with the day before the month, as everywhere but in America.
ENGLISH = "en_GB"


def day_words(day: date, *, has_year: bool = True) -> str:
    """Return `10 Mar 2026`, `10. März 2026` and so on, in the page's language."""
    language = get_language() or "en"
    locale = ENGLISH if language == "en" else language.replace("-", "_")
    return format_skeleton("yMMMd" if has_year else "MMMd", day, locale=locale)
