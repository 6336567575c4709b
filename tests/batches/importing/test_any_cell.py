"""Whatever a cell holds: a verdict, and never a number that is none."""

import random

import phonenumbers
import pytest

from batches.importing.phones import ParsedNumber, PhoneParser, RefusedNumber
from voiceops.core.phone_numbers import E164_PATTERN


def test_no_plain_number_has_a_zero_behind_its_plus() -> None:
    parser = PhoneParser()

    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        number = phonenumbers.example_number_for_non_geo_entity(code)
        region = phonenumbers.region_code_for_country_code(code)
        number = number or phonenumbers.example_number(region)
        if number is not None:
            digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
            assert parser.parse_plain(f"+0{digits}") is None
            assert parser.parse_plain(f"+00{digits}") is None


def test_any_cell_has_a_verdict_and_every_accepted_number_is_a_valid_one() -> None:
    dice = random.Random(3)  # noqa: S311  - a reproducible sample, not a secret
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    signs = "0123456789+-() ./,;:x#~*'\"=[]<>&|\t\n\u00b2\u0663"
    accepted = 0
    for _ in range(1_500):
        region = dice.choice(regions)
        example = phonenumbers.example_number(region)
        assert example is not None
        text = phonenumbers.format_number(example, dice.randrange(3))
        for _ in range(dice.randrange(3)):
            at = dice.randrange(len(text))
            text = text[:at] + dice.choice(signs) + text[at + dice.randrange(2) :]

        verdict = PhoneParser(dice.choice([None, region])).parse(text)

        if isinstance(verdict, ParsedNumber):
            accepted += 1
            for e164 in (verdict.e164, *verdict.others):
                number = phonenumbers.parse(e164)
                assert phonenumbers.is_valid_number(number), text
                assert E164_PATTERN.match(e164), text

    assert accepted > 500


@pytest.mark.parametrize("text", ["+35/1 85 012 3456", "+50:227456789", "+85\u00b2 12345", "+35*"])
def test_a_sign_inside_the_calling_code_is_refused(text: str) -> None:
    assert isinstance(PhoneParser().parse(text), RefusedNumber)
