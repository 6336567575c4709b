"""Numbering plans that have changed, and what an old spelling has become.

People keep old spellings in their address books for years. One that can only have become one valid
number is repaired; any other is refused with a sentence that names the new form.
Sources: the notices of national numbering plans at https://www.itu.int/oth/T0202.aspx
"""

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers.phonenumber import PhoneNumber

AREA_CODE_LENGTHS = (2, 3, 4)  # of Argentina
ARGENTINIAN_MOBILE_DIGITS = 11  # 9, area code, subscriber
_ARGENTINIAN_MOBILE = re.compile(r"9?(\d{10,12})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChangedPlan:
    """How a country's numbers were written, and what they are now.

    `rules` are expressions of the national number with their replacements. `explanation` completes
    "… is written in an old form: ".
    """

    rules: tuple[tuple[str, str], ...]
    explanation: str
    old_form: str

    def candidates(self, national: str) -> list[str]:
        """Return what the old national number may be now."""
        found = [
            re.sub(old, new, national) for old, new in self.rules if re.fullmatch(old, national)
        ]
        return list(dict.fromkeys(found))


def _vietnamese_rules() -> tuple[tuple[str, str], ...]:
    """Return the rules of Vietnam's mobiles: eleven digits became ten in 2018."""
    became = {
        **{f"16{digit}": f"3{digit}" for digit in range(2, 10)},
        **dict(
            zip(("120", "121", "122", "126", "128"), ("70", "79", "77", "76", "78"), strict=True)
        ),
        **dict(
            zip(("123", "124", "125", "127", "129"), ("83", "84", "85", "81", "82"), strict=True)
        ),
        **dict(zip(("186", "188", "199"), ("56", "58", "59"), strict=True)),
    }
    return tuple((rf"{old}(\d{{7}})", rf"{new}\1") for old, new in became.items())


CHANGED_PLANS = {
    52: ChangedPlan(
        rules=((r"(?:1|01|0?4[45])([2-9]\d{9})", r"\1"),),
        explanation="Mexico dropped the 1 after +52 in 2019, write +52 and ten digits",
        old_form=r"(?:1|01|0?4[45])\d{8,11}",
    ),
    54: ChangedPlan(
        rules=(),  # `_argentinian_candidates`
        explanation=(
            "mobile numbers of Argentina have no 15 after +54, "
            "write +54 9, the area code and the number without 15"
        ),
        old_form=r"9?\d{0,4}15\d{6,8}",
    ),
    55: ChangedPlan(
        rules=((r"([1-9]\d)([6-9]\d{7})", r"\g<1>9\2"),),
        explanation=(
            "mobile numbers of Brazil have nine digits since 2016, "
            "write +55, the area code, a 9 and the eight digits"
        ),
        old_form=r"\d{2}[6-9]\d{7}",
    ),
    57: ChangedPlan(
        rules=((r"([1-8]\d{7})", r"60\1"),),
        explanation="landlines of Colombia have ten digits since 2021, write +57 60 before the old",
        old_form=r"[1-8]\d{7}",
    ),
    84: ChangedPlan(
        rules=_vietnamese_rules(),
        explanation="mobile numbers of Vietnam have nine digits after +84 since 2018",
        old_form=r"1\d{9}",
    ),
    225: ChangedPlan(
        # Mobiles go by the second digit, landlines by the third: each names the operator.
        rules=(
            (r"([04-9][0-3]\d{6})", r"01\1"),
            (r"([04-9][4-6]\d{6})", r"05\1"),
            (r"([04-9][7-9]\d{6})", r"07\1"),
            (r"([23]\d8\d{5})", r"21\1"),
            (r"([23]\d0\d{5})", r"25\1"),
            (r"([23]\d[1-79]\d{5})", r"27\1"),
        ),
        explanation=(
            "numbers of Ivory Coast have ten digits since 2021, write +225, then 01, 05 or 07 "
            "(mobile) or 21, 25 or 27 (landline) before the old eight"
        ),
        old_form=r"\d{8}",
    ),
    229: ChangedPlan(
        rules=((r"(\d{8})", r"01\1"),),
        explanation="numbers of Benin have ten digits since 2024, write +229 01 before the old",
        old_form=r"\d{8}",
    ),
    230: ChangedPlan(
        rules=((r"(\d{7})", r"5\1"),),
        explanation="mobile numbers of Mauritius begin with 5 since 2013",
        old_form=r"[789]\d{6}",
    ),
    237: ChangedPlan(
        rules=((r"([79]\d{7})", r"6\1"), (r"((?:22|33)\d{6})", r"2\1")),
        explanation=(
            "numbers of Cameroon have nine digits since 2014, "
            "write 6 (mobile) or 2 (landline) before the old eight"
        ),
        old_form=r"[2379]\d{7}",
    ),
}
ARGENTINA = 54


def update_number(number: PhoneNumber) -> PhoneNumber | None:
    """Return what an invalid number of an old plan is now; None where that is not certain."""
    plan = CHANGED_PLANS.get(number.country_code or 0)
    if plan is None:
        return None
    national = phonenumbers.national_significant_number(number)
    is_argentinian = number.country_code == ARGENTINA
    candidates = _argentinian_candidates(national) if is_argentinian else plan.candidates(national)
    valid = [
        updated
        for candidate in candidates
        if phonenumbers.is_valid_number(updated := _with_national(number, candidate))
    ]
    return valid[0] if len(valid) == 1 else None


def explain_change(number: PhoneNumber) -> str | None:
    """Return how an invalid number of an old plan is written now; None for other numbers."""
    plan = CHANGED_PLANS.get(number.country_code or 0)
    national = phonenumbers.national_significant_number(number)
    return plan.explanation if plan and re.fullmatch(plan.old_form, national) else None


def _argentinian_candidates(national: str) -> list[str]:
    """Drop the 15 behind an area code, which may have two to four digits."""
    mobile = _ARGENTINIAN_MOBILE.match(national)
    if mobile is None:
        return []
    digits = mobile.group(1)
    found = [
        f"9{digits[:length]}{digits[length + 2 :]}"
        for length in AREA_CODE_LENGTHS
        if digits[length : length + 2] == "15"
    ]
    return [candidate for candidate in found if len(candidate) == ARGENTINIAN_MOBILE_DIGITS]


def _with_national(number: PhoneNumber, national: str) -> PhoneNumber:
    """Return a number of the same country with another national part, zeros in front included."""
    zeros = len(national) - len(national.lstrip("0"))
    return PhoneNumber(
        country_code=number.country_code,
        national_number=int(national),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )
