"""Finds the columns of a list that hold phone numbers: by their names, then by what is in them.

Names are those of the contract, of common address books and CRMs, and of large languages. What a
column holds decides where names leave a doubt.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from batches.importing.phones import ParsedNumber, PhoneParser
from batches.importing.words_beside_numbers import count_digits
from voiceops.core.phone_numbers import normalize_spelling

SAMPLE_ROWS = 200
MIN_GOOD_SHARE = 0.8  # of a column's cells, for a column that only its content recommends
MIN_FILLED_SHARE = 0.5
MIN_PHONE_DIGITS = 7
MAX_ALPHABETIC = 4  # as in "tel:"
DATE_DIGITS = 8
MAX_TITLE_ROWS = 10  # above the columns' names
MIN_NAMED_SHARE = 0.5  # of the cells of a column with the name of one
PHONE_NAMES = (
    "phone",
    "phone_number",
    "phone number",
    "number",
    "contact_number",
    "to",
    "to_number",
    "mobile",
    "msisdn",
)
# Whole words of names in Latin script.
PHONE_WORDS = frozenset(
    {
        *("phone", "phones", "phonenumber", "telephone", "tel", "mobile", "cell", "cellphone"),
        *("mobilephone", "homephone", "workphone", "msisdn", "whatsapp", "landline", "tlf", "gsm"),
        *("telefon", "telefonnummer", "telefonnr", "handy", "handynummer", "mobil", "rufnummer"),
        *("mobilnummer", "mobiltelefon", "mobilfunk", "mobilfunknummer", "festnetz", "mobilnr"),
        *("telefoon", "telefoonnummer", "mobiel", "puhelin", "telefonu", "komórka", "telefonní"),
        *("téléphone", "téléphones", "portable", "teléfono", "telefono", "teléfonos", "telefonos"),
        *("celular", "celulares", "móvil", "movil", "telefone", "telefones", "telemóvel"),
        *("telemovel", "fone", "cellulare", "telepon", "ponsel", "handphone", "hp", "nohp", "sđt"),
    }
)
# Parts of names in other scripts, some of which have no blanks between words.
PHONE_PARTS = tuple(
    unicodedata.normalize("NFKC", part)
    for part in (
        *("电话", "電話", "手机", "手機", "携帯", "联系方式", "전화", "휴대폰", "핸드폰"),
        *("फोन", "फ़ोन", "मोबाइल", "दूरभाष", "ফোন", "মোবাইল", "টেলিফোন", "দূরভাষ"),
        *("هاتف", "جوال", "موبايل", "محمول", "تلفون", "تليفون", "فون", "موبائل"),
        *("телефон", "мобильн", "сотов", "điện thoại", "โทรศัพท์", "มือถือ", "τηλέφωνο", "טלפון"),
    )
)
# A column about a number, a number that reaches no ear, or one of somebody else.
OTHER_WORDS = frozenset(
    {
        *("label", "type", "kind", "ext", "extension", "country", "verified", "status", "carrier"),
        *("provider", "model", "consent", "date", "time", "note", "notes", "count", "call", "id"),
        *("fax", "pager", "telex", "isdn", "tty", "tdd", "assistant", "asst", "opt", "optin"),
        *("optout", "valid", "invalid", "calls", "last", "company", "emergency", "do", "not"),
        *("typ", "art", "tipo", "тип", "факс", "operator", "code", "vorwahl", "brand", "os"),
    }
)
# Where several columns are named like one: the first kind that occurs.
PRIMARY_WORDS = (
    frozenset({"primary", "main", "preferred"}),
    frozenset({"mobile", "cell", "celular", "handy", "mobil", "móvil", "movil", "portable"}),
)
PHONE_LIKE = re.compile(r"[+(]?\d[\d\s().\-/]{6,}\Z")
_CAMEL_CASE = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_NOT_WORDS = re.compile(r"[\W\d_]+")


@dataclass(frozen=True, slots=True)
class PhoneColumns:
    """Positions of the columns with phone numbers; `found` is None where there is none.

    `alternatives` hold further numbers of the same people. `doubtful` are the columns that look
    like phone numbers where none could be chosen.
    """

    found: int | None
    alternatives: tuple[int, ...] = ()
    doubtful: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What the sample holds in one column: cells with something, good numbers, look-alikes."""

    rows: int
    filled: int
    good: int
    similar: int  # good ones, and those that only lack a country code

    @property
    def has_numbers(self) -> bool:
        """Whether the column holds numbers that can be called."""
        return self.good > 0 and self.good >= MIN_NAMED_SHARE * self.filled

    @property
    def may_be_numbers(self) -> bool:
        """Whether the content does not speak against a name that says so."""
        return self.similar >= MIN_NAMED_SHARE * self.filled

    @property
    def is_full_of_numbers(self) -> bool:
        """Whether the content alone says that this is a phone column."""
        return self._is_full_of(self.good)

    @property
    def is_full_of_similar(self) -> bool:
        """Whether the column looks like phone numbers, with or without country codes."""
        return self._is_full_of(self.similar)

    def _is_full_of(self, count: int) -> bool:
        return (
            count > 0
            and count >= MIN_GOOD_SHARE * self.filled
            and self.filled >= MIN_FILLED_SHARE * self.rows
        )


def find_header(rows: Sequence[Sequence[Any]]) -> int:
    """Return the position of the row with the columns' names: the first, or one below titles.

    A title is a row with one filled cell. Below it must be a row that names a phone column.
    """
    for at, row in enumerate(rows[: MAX_TITLE_ROWS + 1]):
        filled = [text for cell in row if (text := str(cell if cell is not None else "").strip())]
        if any(_is_number(text) for text in filled):
            return 0
        names_phone = any(_is_phone_name(text) for text in filled)
        if len(filled) > 1 or names_phone:
            return at if names_phone and len(filled) > 1 else 0
    return 0


def _is_number(text: str) -> bool:
    """Whether a title is a number instead: it has more digits than a date."""
    return PHONE_LIKE.match(text) is not None and count_digits(text) > DATE_DIGITS


def guess_phone_columns(
    names: Sequence[str],
    *,
    free: Sequence[int],
    sample: Sequence[Sequence[Any]] = (),
    country: str | None = None,
    hidden: Collection[int] = (),
) -> PhoneColumns:
    """Find the phone columns among those at the `free` positions; `sample` are the first rows.

    A visible column goes before one that is `hidden`, because senders mean what they see.
    """
    read = _ContentReader(sample, country)
    visible = [at for at in free if at not in hidden]
    by_contract = _in_contract_order(names, visible)
    # Names beyond the contract's need numbers in their column, or nothing that speaks against them.
    others = [at for at in _by_rank(names, visible, by_contract) if read(at).may_be_numbers]
    named = [*by_contract, *others]

    found = next((at for at in named if read(at).has_numbers), None)
    if found is None:
        full = [at for at in visible if read(at).is_full_of_numbers]
        if len(full) == 1:
            return PhoneColumns(full[0])
        found = next((at for at in named if read(at).may_be_numbers), next(iter(named), None))
        if found is None and full:
            return PhoneColumns(None, doubtful=tuple(full))
    if found is None:
        return _guess_otherwise(names, free, visible, read)
    # Without rows to look into, a name alone makes no further number.
    further = [at for at in sorted(named) if at != found and sample and read(at).may_be_numbers]
    return PhoneColumns(found, tuple(further))


def _guess_otherwise(
    names: Sequence[str],
    free: Sequence[int],
    visible: Sequence[int],
    read: Callable[[int], Content],
) -> PhoneColumns:
    """Take a hidden column, or none: with the columns that look like phone numbers."""
    concealed = [at for at in free if at not in visible]
    named = [*_in_contract_order(names, concealed), *_by_rank(names, concealed, ())]
    full = [at for at in concealed if read(at).is_full_of_numbers]
    if named or len(full) == 1:
        return PhoneColumns([*named, *full][0])
    similar = [at for at in free if read(at).is_full_of_similar]
    return PhoneColumns(None, doubtful=tuple(similar))


class _ContentReader:
    """Reads the sample's columns, each once and only when it is asked for."""

    def __init__(self, sample: Sequence[Sequence[Any]], country: str | None) -> None:
        self._sample = sample
        self._parser = PhoneParser(country)
        self._known: dict[int, Content] = {}

    def __call__(self, position: int) -> Content:
        if position not in self._known:
            self._known[position] = self._read(position)
        return self._known[position]

    def _read(self, position: int) -> Content:
        cells = [str(row[position]) for row in self._sample if position < len(row)]
        filled = [cell for cell in cells if cell.strip()]
        candidates = [cell for cell in filled if _may_be_number(cell)]
        good = sum(isinstance(self._parser.parse(cell), ParsedNumber) for cell in candidates)
        similar = sum(PHONE_LIKE.match(normalize_spelling(cell)) is not None for cell in candidates)
        return Content(len(self._sample), len(filled), good, max(good, similar))


def _may_be_number(cell: str) -> bool:
    """Whether a cell is worth parsing: enough digits, and no words."""
    digits = sum(character.isdigit() for character in cell)
    alphabetic = sum(character.isalpha() for character in cell)
    return digits >= MIN_PHONE_DIGITS and alphabetic <= MAX_ALPHABETIC


def _in_contract_order(names: Sequence[str], positions: Sequence[int]) -> list[int]:
    by_name: dict[str, int] = {}
    for at in positions:
        by_name.setdefault(normalize_name(names[at]), at)
    wanted = dict.fromkeys(map(normalize_name, PHONE_NAMES))
    return [by_name[name] for name in wanted if name in by_name]


def _by_rank(names: Sequence[str], positions: Sequence[int], but: Sequence[int]) -> list[int]:
    """Return the other columns named like a phone's, the most promising first."""
    named = [at for at in positions if at not in but and _is_named_like_phone(names[at])]
    return sorted(named, key=lambda at: _rank(names[at]))


def _rank(name: str) -> int:
    words = _words(name)
    ranks = (at for at, group in enumerate(PRIMARY_WORDS) if words & group)
    return next(ranks, len(PRIMARY_WORDS))


def _is_named_like_phone(name: str) -> bool:
    words = _words(name)
    if words & OTHER_WORDS:
        return False
    text = unicodedata.normalize("NFKC", name).lower()
    return bool(words & PHONE_WORDS) or any(part in text for part in PHONE_PARTS)


def _is_phone_name(name: str) -> bool:
    return normalize_name(name) in PHONE_NAMES or _is_named_like_phone(name)


def _words(name: str) -> set[str]:
    """Return the words of a column's name in lower case: MobilePhone has two."""
    text = _CAMEL_CASE.sub(" ", unicodedata.normalize("NFKC", name)).lower()
    return set(_NOT_WORDS.split(text)) | {_NOT_WORDS.sub("", text)}


def normalize_name(name: str) -> str:
    """Return a column's name as names are compared: case and separators make no difference."""
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))
