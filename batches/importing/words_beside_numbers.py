"""What people write beside a number in its cell: a second one, what kind it is, an extension."""

import re

NUMBER_DIGITS = 6  # a part of a cell with that many digits counts as a number
MAX_DIALLED_DIGITS = 20  # of a number with what is dialled before and behind it
# Words that stand between two numbers, in the languages that lists are written in.
_BETWEEN = "and|or|und|oder|ou|et|y|o|e|of|en|i|lub|ve|veya|и|или|或|和"
# A label such as "Work:" ends the number before it, but "ext:" goes on with it.
_EXTENSION = (
    "ext|extn|extension|x|dw|durchwahl|klappe|nebenstelle|poste|anexo|interno|ramal|toestel|"
    "anknytning|wewn|wew|dahili|доб|вн|внутр|내선|内線|内线|分机|分機|转|轉"
)
_WITH_EXTENSION = re.compile(
    rf"\+?\d[\d\s().\-/]+?,?\s*(?:(?:{_EXTENSION})\.?\s*:?\s*|[pw])\d{{1,7}}\W*", re.IGNORECASE
)
# An extension, the end of a second number, or neither: +49 30 901820/21.
_SHORT_TAIL = re.compile(r"(.*\d)\s*[/\\]\s*(\d{1,3})\Z")
# What a number is, as cards and address books write it beside the number.
_KIND = (
    "telephone|phone|tel|t|ph|mobile|mobil|mob|m|cellphone|cellular|cell|cel|c|home|h|work|w|"
    "office|o|main|primary|direct|landline|business|private|whatsapp|callto|sms|handy|privat|"
    "festnetz|büro|arbeit|geschäftlich|telefon|tél|portable|domicile|bureau|travail|móvil|movil|"
    "celular|casa|trabajo|oficina|cellulare|ufficio|моб|дом|тел|рабочий|мобильный|手机|電話|电话|携帯"
)
_KIND_BEFORE = re.compile(rf"\A(?:{_KIND})(?:\.\s*:?|\s*:)\s*(?=\(?[+\d])", re.IGNORECASE)
_KIND_BEHIND = re.compile(rf"(?<=\d)\s*[(\[]\s*(?:{_KIND})\.?\s*[)\]]?\Z", re.IGNORECASE)
_LABEL = rf"\b(?!(?:{_EXTENSION})\b)[^\W\d_]+\.?\s*:"
_SEPARATOR = re.compile(
    rf"\s*(?:{_LABEL}|[/\\;|&:\n\r\u2028\u2029\u2022\u00b7\u3001]|,(?!,)|\b(?:{_BETWEEN})\b)\s*",
    re.IGNORECASE,
)
_NEXT_INTERNATIONAL = re.compile(r"(?<=[\d)])[^\d+]{0,20}(?<!\()(?=\(?\+)")


def split_numbers(text: str) -> list[str]:
    """Return the parts of a cell that have enough digits to be a number each."""
    parts = [part for part in _SEPARATOR.split(text) if count_digits(part) >= NUMBER_DIGITS]
    # Whatever else stands between international numbers, each begins with its plus.
    return [
        number.strip()
        for part in parts
        for number in _NEXT_INTERNATIONAL.split(part)
        if count_digits(number) >= NUMBER_DIGITS
    ]


def count_digits(text: str) -> int:
    """Return how many digits of any script a text has."""
    return sum(character.isdigit() for character in text)


def without_kind(text: str) -> str:
    """Return a number without the word that says what kind it is: `mobile: +1 …`, `+1 … (work)`.

    Any other word stays, and one without a mark around it: it may say that nobody is to call.
    """
    return _KIND_BEHIND.sub("", _KIND_BEFORE.sub("", text))


def has_extension(text: str) -> bool:
    """Return whether a number is followed by a word for an extension, and its digits."""
    return _WITH_EXTENSION.fullmatch(" ".join(text.split())) is not None


def before_short_tail(text: str) -> str | None:
    """Return the number before a last slash with up to three digits behind it; None without."""
    if count_digits(text) > MAX_DIALLED_DIGITS:
        return None
    tail = _SHORT_TAIL.match(" ".join(text.split()))
    return tail[1] if tail else None
