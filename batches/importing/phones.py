"""Parses one cell of the phone column: the number in E.164, or why it cannot be called.

What a spreadsheet does to numbers is undone where only one reading is possible, and refused where
digits are lost. Codes: docs/reference/api-contract.md §7. One spelling for each number, and numbers
that are never dialled: docs/reference/reliability.md §E2, §O7.
"""

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, ValidationResult
from phonenumbers.phonenumber import PhoneNumber

from batches.importing.numbering_plans import (
    WORLD,
    calling_codes,
    dialable_pattern,
    national_plan,
)
from batches.importing.words_beside_numbers import (
    before_short_tail,
    count_digits,
    has_extension,
    split_numbers,
    without_kind,
)
from voiceops.core.changed_plans import explain_change, update_number
from voiceops.core.phone_numbers import (
    E164_PATTERN,
    format_e164,
    normalize_spelling,
    why_not_dialable,
)

MISSING_NUMBER = "missing_number"
NOT_A_NUMBER = "not_a_number"
INVALID_NUMBER = "invalid_number"
NOT_DIALABLE = "not_dialable"
DAMAGED_NUMBER = "damaged_number"

HAS_EXTENSION = "has an extension: give a number that can be dialled directly"
MAX_QUOTED_CHARACTERS = 40
MAX_SHORT_DIGITS = 6
MIN_DIGITS = 2
MIN_SEPARATE_DIGITS = 7  # of each number where only a blank separates two
MAX_WORDS = 12
_QUOTATION_MARKS = "\"'` \u00b4\u2018\u2019"
_MARKS_AROUND = f"{_QUOTATION_MARKS}[]{{}}<>"
_FLOAT_TAIL = re.compile(r"\.0*\Z")
_SCIENTIFIC = re.compile(r"\+?(\d)(?:[.,](\d+))?[eE]\+?(\d{1,2})\Z", re.ASCII)
_WHOLE_FLOAT = re.compile(r"(\+?\d+)[.,]0*\Z", re.ASCII)
_QUOTED = re.compile(r'="?([^"]*)"?\Z')
_SPREADSHEET_ERROR = re.compile(r"#(?:#+|[A-Z/0]+[!?]?)\Z")
_ALPHABETIC = re.compile(r"[^\W\d_]")
_EMERGENCY_ANYWHERE = frozenset({"112", "911", "999", "000", "110", "113", "115", "118", "119"})


@dataclass(frozen=True, slots=True)
class ParsedNumber:
    """A number that may be dialled.

    `repaired` when a spreadsheet had damaged it, or its numbering plan has changed, and only one
    repair was possible. `others` are further numbers of the same cell.
    """

    e164: str
    repaired: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedNumber:
    """Why a cell cannot be called: a code of the contract, and a message for the user."""

    code: str
    message: str


def is_known_country(region: str) -> bool:
    """Whether the numbering plans know a country (ISO 3166-1, two letters, upper case)."""
    return region in phonenumbers.SUPPORTED_REGIONS


class PhoneParser:
    """Parses the spellings of one list.

    Without a default country, only international spellings (+… or 00…) are numbers. Raises
    LookupError for a default country that `is_known_country` does not know.
    """

    def __init__(self, default_country: str | None = None) -> None:
        self.country = default_country.upper() if default_country else None
        self._plan = national_plan(self.country) if self.country else None
        self._codes = calling_codes()

    def parse(self, text: str) -> ParsedNumber | RefusedNumber:
        """Return the number in a cell, or why it cannot be called."""
        if e164 := self.parse_plain(text):
            return ParsedNumber(e164)
        return self._parse_any(text)

    def parse_plain(self, text: str) -> str | None:
        """Return E.164 for the plain spellings, which are most of any list.

        None decides nothing: `parse` has to be called.
        """
        # Four replaces are faster than one translate.
        digits = text.replace(" ", "").replace("-", "").replace("(", "").replace(")", "")
        if "." in digits:
            # 12025550186.0 is a damaged number, which `parse` repairs and counts.
            if _FLOAT_TAIL.search(digits):
                return None
            digits = digits.replace(".", "")
        if digits[:1] != "+":
            return self._parse_plain_national(digits) if self._plan else None
        head = self._codes.get(digits[1:3])
        if head is None:
            return None
        code = head or digits[1:4]
        if not (head or (code.isascii() and code.isdigit())):
            return None
        return digits if dialable_pattern(code).match(digits, 1 + len(code)) else None

    def _parse_plain_national(self, digits: str) -> str | None:
        plan = self._plan
        if plan is None or plan.international.match(digits):
            return None
        if digits.startswith(plan.other_prefixes):
            return None
        code = plan.code
        if digits.startswith(code):
            if plan.general.match(digits):
                return None  # could be national or international: `parse` decides
            digits = digits[len(code) :]
            if plan.trunk_prefix and digits.startswith(plan.trunk_prefix):
                return None
        elif plan.trunk_prefix and digits.startswith(plan.trunk_prefix):
            digits = digits[len(plan.trunk_prefix) :]
        return f"+{code}{digits}" if dialable_pattern(code).match(digits) else None

    def _parse_any(self, original: str) -> ParsedNumber | RefusedNumber:
        # Full-width digits, direction marks and quotation marks come from copying.
        text = normalize_spelling(original).strip(_MARKS_AROUND)
        if not text:
            return RefusedNumber(MISSING_NUMBER, "The phone number is missing")

        repaired = _undo_spreadsheet_damage(text)
        if isinstance(repaired, RefusedNumber):
            return repaired
        parts = split_numbers(repaired)
        if len(parts) > 1 and (several := self._parse_several(parts)):
            return several
        alone = without_kind(repaired)
        if refusal := self._refuse_non_numbers(alone) or self._refuse_tails(alone):
            return refusal
        has_zeros = alone.startswith(("00", "+00"))
        if has_zeros:
            alone = "+" + alone.removeprefix("+")[2:].lstrip(" -.(")

        verdict = self._parse_with_library(" ".join(alone.split()))
        if isinstance(verdict, RefusedNumber):
            return self._parse_between_blanks(text) or verdict
        if has_zeros or repaired != text:
            return ParsedNumber(verdict.e164, repaired=True)
        return verdict

    def _parse_several(self, parts: list[str]) -> ParsedNumber | None:
        """Return the numbers of a cell that holds several; None when none of them is good."""
        verdicts = [self._parse_any(part) for part in parts]
        good = [verdict for verdict in verdicts if isinstance(verdict, ParsedNumber)]
        numbers = list(dict.fromkeys(verdict.e164 for verdict in good))
        if not numbers:
            return None
        return ParsedNumber(numbers[0], any(each.repaired for each in good), tuple(numbers[1:]))

    def _parse_between_blanks(self, text: str) -> ParsedNumber | None:
        """Return two numbers that only a blank separates, if there is one way to do so."""
        words = text.split()
        if not 1 < len(words) <= MAX_WORDS or count_digits(text) < 2 * MIN_SEPARATE_DIGITS:
            return None
        pairs = (
            (self.parse_plain(" ".join(words[:at])), self.parse_plain(" ".join(words[at:])))
            for at in range(1, len(words))
        )
        # A dash between them belongs to either, and gives the same two numbers twice.
        good = {
            ParsedNumber(first, others=(second,)) for first, second in pairs if first and second
        }
        return good.pop() if len(good) == 1 else None

    def _refuse_non_numbers(self, text: str) -> RefusedNumber | None:
        """Refuse words, several bad numbers in one cell, short and emergency numbers."""
        digits = re.sub(r"\D", "", text)
        quoted = _quote(text)
        if len(digits) < MIN_DIGITS:
            return RefusedNumber(NOT_A_NUMBER, f"{quoted} is not a phone number")
        if len(split_numbers(text)) > 1:
            return RefusedNumber(
                INVALID_NUMBER, f"{quoted} holds more than one number: keep one of them"
            )
        if self._is_emergency(text, digits):
            return RefusedNumber(NOT_DIALABLE, f"{quoted} is an emergency number")
        if self.country and not text.startswith("+") and _is_short(digits, self.country):
            return RefusedNumber(
                NOT_DIALABLE, f"{quoted} is a short number of {self.country}, not a person's"
            )
        before, plus, _ = text.partition("+")
        if plus and _ALPHABETIC.search(before):
            return RefusedNumber(
                NOT_A_NUMBER, f"{quoted} has words before the number: keep the number alone"
            )
        if "+" in text[1:] and not text.startswith("(+"):
            return RefusedNumber(INVALID_NUMBER, f"{quoted} has a plus sign inside the number")
        return None

    def _refuse_tails(self, text: str) -> RefusedNumber | None:
        """Refuse an extension, and what may be one."""
        quoted = _quote(text)
        if has_extension(text):
            return RefusedNumber(NOT_DIALABLE, f"{quoted} {HAS_EXTENSION}")
        head = before_short_tail(text)
        if head and isinstance(self._parse_any(head), ParsedNumber):
            return RefusedNumber(
                INVALID_NUMBER,
                f"{quoted} ends in an extension or in a part of a second number: write one number "
                "in full",
            )
        return None

    def _is_emergency(self, text: str, digits: str) -> bool:
        if text != digits:
            return False
        if self.country is None:
            return digits in _EMERGENCY_ANYWHERE
        return phonenumbers.is_emergency_number(digits, self.country) is True

    def _parse_with_library(self, text: str) -> ParsedNumber | RefusedNumber:
        quoted = _quote(text)
        is_international = text.startswith(("+", "(+"))
        if not is_international and self.country is None:
            return RefusedNumber(
                INVALID_NUMBER,
                f"{quoted} has no country code: write it as +…, or choose a default country",
            )
        try:
            number = phonenumbers.parse(text, None if is_international else self.country)
        except NumberParseException as error:
            return _refuse_unparsed(text, error)
        # Extensions have letters in them, so they are found first.
        if number.extension:
            return RefusedNumber(NOT_DIALABLE, f"{quoted} {HAS_EXTENSION}")
        if _ALPHABETIC.search(text):
            return RefusedNumber(
                NOT_A_NUMBER, f"{quoted} is not a phone number: it has letters in it"
            )
        return self._check_dialable(text, number, is_international=is_international)

    def _check_dialable(
        self, text: str, number: PhoneNumber, *, is_international: bool
    ) -> ParsedNumber | RefusedNumber:
        is_old_form = False
        if not phonenumbers.is_valid_number(number):
            updated = update_number(number)
            if updated is None:
                message = self._why_invalid(text, number, is_international=is_international)
                return RefusedNumber(INVALID_NUMBER, message)
            number, is_old_form = updated, True
        e164 = format_e164(number)
        if reason := why_not_dialable(number):
            return RefusedNumber(NOT_DIALABLE, reason)
        if not E164_PATTERN.match(e164):
            return RefusedNumber(INVALID_NUMBER, f"{_quote(text)} does not fit E.164")

        # Digits that are a number with and without the country code: a guess may call a stranger.
        if not is_international:
            other = _as_international(text, number.country_code or 0)
            if other and other != e164:
                return RefusedNumber(
                    DAMAGED_NUMBER,
                    f"{_quote(text)} could be {e164} or {other}: write it with a leading +",
                )
        return ParsedNumber(e164, repaired=is_old_form)

    def _why_invalid(self, text: str, number: PhoneNumber, *, is_international: bool) -> str:
        place = self.country
        advice = "; write a number of another country with a leading +"
        if is_international:
            region = phonenumbers.region_code_for_country_code(number.country_code or 0)
            place = f"+{number.country_code}" if region == WORLD else region
            advice = ""

        quoted = _quote(text)
        if explanation := explain_change(number):
            return f"{quoted} is written in an old form: {explanation}"
        possible = phonenumbers.is_possible_number_with_reason(number)
        if possible in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
            return f"{quoted} is too short for a {place} number{advice}"
        if possible == ValidationResult.TOO_LONG:
            return f"{quoted} is too long for a {place} number{advice}"
        return f"{quoted} does not exist among {place} numbers{advice}"


def _is_short(digits: str, country: str) -> bool:
    if len(digits) > MAX_SHORT_DIGITS:
        return False
    code = phonenumbers.country_code_for_region(country)
    # The library's parser refuses short numbers, so the object is made by hand.
    short = PhoneNumber(country_code=code, national_number=int(digits))
    return phonenumbers.is_valid_short_number_for_region(short, country) is True


def _refuse_unparsed(text: str, error: NumberParseException) -> RefusedNumber:
    quoted = _quote(text)
    if _ALPHABETIC.search(text) or error.error_type == NumberParseException.NOT_A_NUMBER:
        return RefusedNumber(NOT_A_NUMBER, f"{quoted} is not a phone number")
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return RefusedNumber(
            INVALID_NUMBER, f"{quoted} begins with a country code that does not exist"
        )
    length = "long" if error.error_type == NumberParseException.TOO_LONG else "short"
    return RefusedNumber(INVALID_NUMBER, f"{quoted} is too {length} for a phone number")


def _as_international(text: str, code: int) -> str | None:
    """Return the number as if only the plus was lost; None if it is not valid."""
    digits = re.sub(r"\D", "", text)
    if not digits.startswith(str(code)):
        return None
    try:
        number = phonenumbers.parse("+" + digits, None)
    except NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return format_e164(number)


def _undo_spreadsheet_damage(text: str) -> str | RefusedNumber:
    """Undo what spreadsheets do to numbers, where only one reading is possible."""
    # ="0123" is the usual way to keep a text in CSV.
    if quoted := _QUOTED.match(text):
        text = quoted.group(1).strip()
    if _SPREADSHEET_ERROR.match(text):
        return RefusedNumber(
            DAMAGED_NUMBER, f"{_quote(text)} stands for a value the spreadsheet could not show"
        )
    if scientific := _SCIENTIFIC.match(text):
        return _expand_scientific(text, scientific)
    if whole := _WHOLE_FLOAT.match(text):
        return whole.group(1)
    if text[:4].lower() == "tel:":
        return text[4:].strip()
    return text


def _expand_scientific(text: str, match: re.Match[str]) -> str | RefusedNumber:
    """Write out a number that still has all its digits.

    1.2025550186E+10 has them; 1.2E+10 has lost nine, which cannot be recovered.
    """
    first = match.group(1)
    fraction = match.group(2) or ""
    exponent = int(match.group(3))
    if len(fraction) < exponent or fraction[exponent:].strip("0"):
        message = (
            f"A spreadsheet shortened this number to {_quote(text)}: "
            "format the column as text and enter it again"
        )
        return RefusedNumber(DAMAGED_NUMBER, message)
    return first + fraction[:exponent]


def _quote(text: str) -> str:
    """Return a cell as it may appear in a message: short, on one line, in quotation marks."""
    line = " ".join(text.split())
    if len(line) > MAX_QUOTED_CHARACTERS:
        return f"“{line[:MAX_QUOTED_CHARACTERS]}…”"
    return f"“{line}”"
