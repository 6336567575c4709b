"""Amounts as each language writes them."""

from django.utils.formats import number_format

from voiceops.core.prices import in_words


def amount_words(micros: int) -> str:
    """Return `1,250.50 USD`, `1.250,50 USD` and so on, in the page's language."""
    written, code = in_words(micros).replace(",", "").split(" ")
    places = len(written.partition(".")[2])
    return f"{number_format(written, decimal_pos=places, force_grouping=True)} {code}"
