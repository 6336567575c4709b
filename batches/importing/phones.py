"""Judges one cell of the phone column: the number in E.164, or a refusal in words.

Everything a spreadsheet does to numbers is undone where only one reading is possible, and refused
where digits are lost. Rules: contract section 7 (codes), reliability.md E2 (one spelling before
duplicates are looked for) and O7 (who is never dialled).
"""

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, ValidationResult
from phonenumbers.phonenumber import PhoneNumber

from batches.importing.numbering_plans import WORLD, calling_codes, dialable_pattern, national_plan
from voiceops.core.phone_numbers import why_not_dialable

MISSING = "missing_number"
NOT_A_NUMBER = "not_a_number"
INVALID = "invalid_number"
NOT_DIALABLE = "not_dialable"
DAMAGED = "damaged_number"

E164 = re.compile(r"\+[1-9]\d{6,14}\Z", re.ASCII)
_FLOAT_TAIL = re.compile(r"\.0*\Z")
_INVISIBLE = dict.fromkeys(
    [0x00AD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF]
)
_SCIENTIFIC = re.compile(r"\+?(\d)(?:[.,](\d+))?[eE]\+?(\d{1,2})\Z", re.ASCII)
_WHOLE_FLOAT = re.compile(r"(\+?\d+)[.,]0*\Z", re.ASCII)
_QUOTED = re.compile(r'="?([^"]*)"?\Z')
_SPREADSHEET_ERROR = re.compile(r"#(?:#+|[A-Z/0]+[!?]?)\Z")
_SEVERAL = re.compile(r"\s*(?:[/;|&]|,(?!,)|\bor\b|\band\b)\s*", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_EMERGENCY_ANYWHERE = frozenset({"112", "911", "999", "000", "110", "113", "115", "118", "119"})


@dataclass(frozen=True, slots=True)
class ParsedNumber:
    """A number that may be dialled. `repaired` when a spreadsheet had damaged it and the repair is
    certain.
    """

    e164: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class RefusedNumber:
    code: str
    message: str


def is_known_country(region: str) -> bool:
    """Whether a default country (ISO 3166-1, two letters, upper case) is one the numbering plans
    know.
    """
    return region in phonenumbers.SUPPORTED_REGIONS


class PhoneParser:
    """Reads the spellings of one list. Without a default country only international spellings (+…
    or 00…) count.

    `default_country` is one of `known_country`; another raises LookupError.
    """

    def __init__(self, default_country: str | None = None) -> None:
        self.country = default_country.upper() if default_country else None
        self._plan = national_plan(self.country) if self.country else None
        self._codes = calling_codes()

    def parse(self, text: str) -> ParsedNumber | RefusedNumber:
        """The verdict on one cell."""
        if e164 := self.parse_plain(text):
            return ParsedNumber(e164)
        return self._parse_any(text)

    def parse_plain(self, text: str) -> str | None:
        """E.164 for the plain spellings, which is most of any list; None says nothing but "ask
        `parse`".
        """
        digits = (
            text.replace(" ", "").replace("-", "").replace("(", "").replace(")", "")
        )  # faster than translate
        if "." in digits:
            if _FLOAT_TAIL.search(digits):
                return None
            digits = digits.replace(".", "")
        if digits[:1] != "+":
            return self._parse_plain_national(digits) if self._plan else None
        head = self._codes.get(digits[1:3])
        if head is None:
            return None
        code = head or digits[1:4]
        return digits if dialable_pattern(code).match(digits, 1 + len(code)) else None

    def _parse_plain_national(self, digits: str) -> str | None:
        plan = self._plan
        if (
            plan is None
            or plan.international.match(digits)
            or digits.startswith(plan.other_prefixes)
        ):
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
        text = (
            unicodedata.normalize("NFKC", original.translate(_INVISIBLE))
            .strip()
            .strip("\"'` \u00b4\u2018\u2019")
        )
        if not text:
            return RefusedNumber(MISSING, "The phone number is missing")
        mended = _undo_spreadsheet_damage(text)
        if isinstance(mended, RefusedNumber):
            return mended
        if refusal := self._refuse_non_numbers(mended):
            return refusal
        if mended.startswith("00"):
            mended = "+" + mended[2:].lstrip(" -.(")
        verdict = self._parse_with_library(mended)
        if isinstance(verdict, ParsedNumber) and mended != text:
            return ParsedNumber(verdict.e164, repaired=True)
        return verdict

    def _refuse_non_numbers(self, text: str) -> RefusedNumber | None:
        """Words, several numbers in one cell, short and emergency numbers."""
        digits = re.sub(r"\D", "", text)
        if len(digits) < 2:
            return RefusedNumber(NOT_A_NUMBER, f"{_quote(text)} is not a phone number")
        if sum(len(re.sub(r"\D", "", part)) >= 6 for part in _SEVERAL.split(text)) > 1:
            return RefusedNumber(
                INVALID, f"{_quote(text)} holds more than one number: keep one of them"
            )
        if self._is_emergency(text, digits):
            return RefusedNumber(NOT_DIALABLE, f"{_quote(text)} is an emergency number")
        if self.country and not text.startswith("+") and _is_short(digits, self.country):
            return RefusedNumber(
                NOT_DIALABLE, f"{_quote(text)} is a short number of {self.country}, not a person's"
            )
        if "+" in text[1:] and not text.startswith("(+"):
            return RefusedNumber(INVALID, f"{_quote(text)} has a plus sign inside the number")
        return None

    def _is_emergency(self, text: str, digits: str) -> bool:
        if text != digits:
            return False
        if self.country is None:
            return digits in _EMERGENCY_ANYWHERE
        return phonenumbers.is_emergency_number(digits, self.country) is True

    def _parse_with_library(self, text: str) -> ParsedNumber | RefusedNumber:
        international = text.startswith(("+", "(+"))
        if not international and self.country is None:
            return RefusedNumber(
                INVALID,
                f"{_quote(text)} has no country code: write it as +…, or choose a default country",
            )
        try:
            number = phonenumbers.parse(text, None if international else self.country)
        except NumberParseException as error:
            return _refuse_unparsed(text, error)
        if number.extension:
            return RefusedNumber(
                NOT_DIALABLE,
                f"{_quote(text)} has an extension: give a number that can be dialled directly",
            )
        if _LETTER.search(text):
            return RefusedNumber(
                NOT_A_NUMBER, f"{_quote(text)} is not a phone number: it has letters in it"
            )
        return self._check_dialable(text, number, international=international)

    def _check_dialable(
        self, text: str, number: PhoneNumber, *, international: bool
    ) -> ParsedNumber | RefusedNumber:
        if not phonenumbers.is_valid_number(number):
            return RefusedNumber(
                INVALID, self._why_invalid(text, number, international=international)
            )
        e164: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if reason := why_not_dialable(number):
            return RefusedNumber(NOT_DIALABLE, reason)
        if not E164.match(e164):
            return RefusedNumber(INVALID, f"{_quote(text)} does not fit E.164")
        if (
            not international
            and (other := _as_international(text, number.country_code or 0))
            and other != e164
        ):
            return RefusedNumber(
                DAMAGED, f"{_quote(text)} could be {e164} or {other}: write it with a leading +"
            )
        return ParsedNumber(e164)

    def _why_invalid(self, text: str, number: PhoneNumber, *, international: bool) -> str:
        place, advice = self.country, "; write a number of another country with a leading +"
        if international:
            region = phonenumbers.region_code_for_country_code(number.country_code or 0)
            place, advice = (f"+{number.country_code}" if region == WORLD else region), ""
        possible = phonenumbers.is_possible_number_with_reason(number)
        if possible in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
            return f"{_quote(text)} is too short for a {place} number{advice}"
        if possible == ValidationResult.TOO_LONG:
            return f"{_quote(text)} is too long for a {place} number{advice}"
        return f"{_quote(text)} does not exist among {place} numbers{advice}"


def _is_short(digits: str, country: str) -> bool:
    if len(digits) > 6:
        return False
    short = PhoneNumber(
        country_code=phonenumbers.country_code_for_region(country), national_number=int(digits)
    )
    return phonenumbers.is_valid_short_number_for_region(short, country) is True


def _refuse_unparsed(text: str, error: NumberParseException) -> RefusedNumber:
    if _LETTER.search(text) or error.error_type == NumberParseException.NOT_A_NUMBER:
        return RefusedNumber(NOT_A_NUMBER, f"{_quote(text)} is not a phone number")
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return RefusedNumber(
            INVALID, f"{_quote(text)} begins with a country code that does not exist"
        )
    length = "long" if error.error_type == NumberParseException.TOO_LONG else "short"
    return RefusedNumber(INVALID, f"{_quote(text)} is too {length} for a phone number")


def _as_international(text: str, code: int) -> str | None:
    """What the digits would be if only the plus of their own country had been lost; None when that
    is no number.
    """
    digits = re.sub(r"\D", "", text)
    if not digits.startswith(str(code)):
        return None
    try:
        number = phonenumbers.parse("+" + digits, None)
    except NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    e164: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164


def _undo_spreadsheet_damage(text: str) -> str | RefusedNumber:
    """Undo what spreadsheets do to numbers, where only one reading is possible."""
    if quoted := _QUOTED.match(text):  # ="0123": the usual trick to keep a text in CSV
        text = quoted.group(1).strip()
    if _SPREADSHEET_ERROR.match(text):
        return RefusedNumber(
            DAMAGED, f"{_quote(text)} stands for a value the spreadsheet could not show"
        )
    if scientific := _SCIENTIFIC.match(text):
        return _expand_scientific(text, scientific)
    if whole := _WHOLE_FLOAT.match(text):
        return whole.group(1)
    if text[:4].lower() == "tel:":
        return text[4:].strip()
    return text


def _expand_scientific(text: str, match: re.Match[str]) -> str | RefusedNumber:
    """1.2025550186E+10 has all its digits; 1.2E+10 has lost nine of them, and nobody can tell
    which.
    """
    first, fraction, exponent = match.group(1), match.group(2) or "", int(match.group(3))
    if len(fraction) < exponent or fraction[exponent:].strip("0"):
        words = f"A spreadsheet shortened this number to {_quote(text)}: format the column as text and enter it again"
        return RefusedNumber(DAMAGED, words)
    return first + fraction[:exponent]


def _quote(text: str) -> str:
    """A cell as it may stand in a message: short, on one line."""
    line = " ".join(text.split())
    return f"“{line[:40]}…”" if len(line) > 40 else f"“{line}”"
