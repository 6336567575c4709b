import random
import re

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata

from batches.importing.phones import ParsedNumber, PhoneParser, RefusedNumber, is_known_country


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("US", "+12025550186"),
        (None, "+12025550186"),
        (None, "0012025550186"),
        ("US", "(202) 555-0186"),
        ("US", "202.555.0186"),
        ("US", "1-202-555-0186"),
        ("US", " +1 202 555 0186 "),
        ("US", "2025550186"),
        ("GB", "+1 (202) 555-0186"),
        ("GB", "001 202 555 0186"),
        ("US", "\uff12\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff18\uff16"),
        ("US", "+1202555018\uff16"),
        ("US", "+1\u00a0202\u00a0555\u00a00186"),
        ("US", "\u202a+12025550186\u202c"),
        ("US", "\u200b2025550186"),
    ],
)
def test_all_spellings_give_the_same_number(country: str | None, text: str) -> None:
    verdict = PhoneParser(country).parse(text)

    assert isinstance(verdict, ParsedNumber)
    assert verdict.e164 == "+12025550186"


@pytest.mark.parametrize(
    "text",
    [
        "12025550186.0",
        "2025550186.00",
        "1.2025550186E+10",
        "1,2025550186E+10",
        "2.025550186E9",
        "'2025550186",
        '="2025550186"',
        '="+12025550186"',
        "tel:+1-202-555-0186",
        "callto:+12025550186",
        "+0012025550186",
        "+00 1 (202) 555-0186",
        "Mobile: +1 202 555 0186",
        "Tel. (202) 555-0186",
        "+1 202 555 0186 (work)",
        "2025550186 [Mob.]",
        "<+12025550186>",
        '["+12025550186"]',
    ],
)
def test_unambiguous_spreadsheet_damage_is_repaired(text: str) -> None:
    verdict = PhoneParser("US").parse(text)

    assert isinstance(verdict, ParsedNumber)
    assert verdict.e164 == "+12025550186"


@pytest.mark.parametrize(
    ("country", "text", "e164"),
    [
        ("GB", "020 7946 0000", "+442079460000"),
        ("GB", "2079460000", "+442079460000"),
        ("GB", "442079460000", "+442079460000"),
        ("GB", "+44 (0)20 7946 0000", "+442079460000"),
        ("IT", "06 1234 5678", "+390612345678"),
        ("DE", "030 123456", "+4930123456"),
        ("AR", "011 15-2345-6789", "+5491123456789"),
        ("KE", "0712345678", "+254712345678"),
        ("US", "+1 242 322 1234", "+12423221234"),
        ("US", "011 44 20 7946 0000", "+442079460000"),
    ],
)
def test_national_spellings_follow_the_default_country(country: str, text: str, e164: str) -> None:
    verdict = PhoneParser(country).parse(text)

    assert isinstance(verdict, ParsedNumber)
    assert verdict.e164 == e164


@pytest.mark.parametrize(
    ("country", "text", "code", "message"),
    [
        ("US", "", "missing_number", "The phone number is missing"),
        ("US", " \u00a0\t", "missing_number", "The phone number is missing"),
        ("US", "'", "missing_number", "The phone number is missing"),
        ("US", "n/a", "not_a_number", "“n/a” is not a phone number"),
        ("US", "call me", "not_a_number", "“call me” is not a phone number"),
        (
            "US",
            "Home 2025550186",
            "not_a_number",
            "“Home 2025550186” is not a phone number: it has letters in it",
        ),
        (
            "US",
            "12345",
            "invalid_number",
            (
                "“12345” is too short for a US number; write a number of another country with a "
                "leading +"
            ),
        ),
        (
            "US",
            "+1 (999) 555-01",
            "invalid_number",
            "“+1 (999) 555-01” is too short for a US number",
        ),
        (
            "US",
            "+1202555012345678",
            "invalid_number",
            "“+1202555012345678” is too long for a US number",
        ),
        ("US", "+19995550123", "invalid_number", "“+19995550123” does not exist among US numbers"),
        (
            "US",
            "+999123456",
            "invalid_number",
            "“+999123456” begins with a country code that does not exist",
        ),
        (
            "US",
            "442079460000",
            "invalid_number",
            (
                "“442079460000” is too long for a US number; write a number of another country "
                "with a leading +"
            ),
        ),
        (
            None,
            "2025550186",
            "invalid_number",
            "“2025550186” has no country code: write it as +…, or choose a default country",
        ),
        (
            "US",
            "0125550186/0135550186",
            "invalid_number",
            "“0125550186/0135550186” holds more than one number: keep one of them",
        ),
        (
            None,
            "+0201001234567",
            "invalid_number",
            "“+0201001234567” begins with a country code that does not exist",
        ),
        (
            "US",
            "1+2025550186",
            "invalid_number",
            "“1+2025550186” has a plus sign inside the number",
        ),
        (
            "US",
            "+1 202 555 0186 (do not call)",
            "not_a_number",
            "“+1 202 555 0186 (do not call)” is not a phone number",
        ),
        (
            None,
            "Ada +1 202 555 0186",
            "not_a_number",
            "“Ada +1 202 555 0186” has words before the number: keep the number alone",
        ),
        (
            None,
            "+49 30 901820/21",
            "invalid_number",
            "“+49 30 901820/21” ends in an extension or in a part of a second number: write one "
            "number in full",
        ),
        ("US", "911", "not_dialable", "“911” is an emergency number"),
        (None, "112", "not_dialable", "“112” is an emergency number"),
        ("US", "411", "not_dialable", "“411” is a short number of US, not a person's"),
        ("US", "+19002345678", "not_dialable", "+19002345678 is a premium rate number"),
        (
            "US",
            "+447012345678",
            "not_dialable",
            "+447012345678 is a personal number, which is charged like premium rate",
        ),
        ("US", "+870773111632", "not_dialable", "+870773111632 is a satellite number"),
        (
            "US",
            "+12025550186x12",
            "not_dialable",
            "“+12025550186x12” has an extension: give a number that can be dialled directly",
        ),
        (
            "US",
            "+12025550186;ext=12",
            "not_dialable",
            "“+12025550186;ext=12” has an extension: give a number that can be dialled directly",
        ),
        (
            "US",
            "+12025550186,,1234#",
            "not_dialable",
            "“+12025550186,,1234#” has an extension: give a number that can be dialled directly",
        ),
        (
            "US",
            "1.20256E+10",
            "damaged_number",
            (
                "A spreadsheet shortened this number to “1.20256E+10”: format the column as text "
                "and enter it again"
            ),
        ),
        (
            "US",
            "#####",
            "damaged_number",
            "“#####” stands for a value the spreadsheet could not show",
        ),
        (
            "US",
            "#N/A",
            "damaged_number",
            "“#N/A” stands for a value the spreadsheet could not show",
        ),
    ],
)
def test_refusal_has_code_and_reason(
    country: str | None, text: str, code: str, message: str
) -> None:
    verdict = PhoneParser(country).parse(text)

    assert verdict == RefusedNumber(code, message)


def test_ambiguous_digits_are_refused() -> None:
    verdict = PhoneParser("DE").parse("4962219876")

    assert verdict == RefusedNumber(
        "damaged_number",
        "“4962219876” could be +494962219876 or +4962219876: write it with a leading +",
    )


def test_only_real_countries_are_known() -> None:
    found = [is_known_country(region) for region in ("US", "GB", "XX", "us", "")]

    assert found == [True, True, False, False, False]


def test_fast_path_accepts_nothing_the_library_refuses() -> None:
    dice = random.Random(20261123)  # noqa: S311 - the same numbers in every run, no secret
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)

    differences, fast = [], 0
    for _ in range(6000):
        text, country = _random_number(dice, regions)
        quick = PhoneParser(country).parse_plain(text)
        if quick is None:
            continue
        fast += 1
        number = phonenumbers.parse(text, None if text.startswith("+") else country)
        written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        refused = phonenumbers.number_type(number) in (
            phonenumbers.PhoneNumberType.PREMIUM_RATE,
            phonenumbers.PhoneNumberType.SHARED_COST,
            phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
        )
        if (
            written != quick
            or refused
            or not phonenumbers.is_valid_number(number)
            or not _fits_e164(quick)
        ):
            differences.append((text, country, quick, written))

    assert fast > 1500
    assert differences == []


def _fits_e164(text: str) -> bool:
    return re.fullmatch(r"\+[1-9][0-9]{6,14}", text) is not None


def _random_number(dice: random.Random, regions: list[str]) -> tuple[str, str | None]:
    """Return a number near a valid one: a region's example with some digits changed."""
    region = dice.choice(regions)
    example = phonenumbers.example_number_for_type(
        region, dice.randrange(8)
    ) or phonenumbers.example_number(region)
    assert example is not None
    digits = list(phonenumbers.national_significant_number(example))
    for _ in range(dice.choice([0, 1, 2, 5, len(digits)])):
        digits[dice.randrange(len(digits))] = dice.choice("0123456789")
    if dice.random() < 0.15:
        digits.append(dice.choice("0123456789"))
    national, code = "".join(digits), phonenumbers.country_code_for_region(region)
    metadata = PhoneMetadata.metadata_for_region(region, None)
    assert metadata is not None
    trunk = metadata.national_prefix or ""
    text = dice.choice([f"+{code}{national}", national, trunk + national, f"{code}{national}"])
    return text, dice.choice([region, region, region, dice.choice(regions)])


@pytest.mark.parametrize(
    "between",
    [" - ", " oder ", " u. ", "•", "、", " y ", " (work) ", "", " privat ", r" \ ", " / home: "],
)
def test_whatever_stands_between_two_numbers_the_first_is_called(between: str) -> None:
    cell = f"+12025550101{between}+12025550151"

    parsed = PhoneParser().parse(cell)

    assert parsed == ParsedNumber("+12025550101", others=("+12025550151",))


@pytest.mark.parametrize("between", [" - ", " oder ", " ", " и ", "\n"])
def test_two_national_numbers_in_a_cell_are_separated(between: str) -> None:
    cell = f"(202) 555-0101{between}(202) 555-0151"

    assert PhoneParser("US").parse(cell) == ParsedNumber("+12025550101", others=("+12025550151",))


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 901820 Durchwahl 12",
        "+33 1 42 68 53 00 poste 12",
        "+55 11 98765-4321 ramal 12",
        "+7 495 123-45-67 вн. 12",
        "+81 3-3210-0000 内線12",
        "+86 10 6552 9988 转 8001",
        "+12025550186p5",
    ],
)
def test_words_for_an_extension_are_known_in_several_languages(text: str) -> None:
    verdict = PhoneParser().parse(text)

    message = f"“{text}” has an extension: give a number that can be dialled directly"
    assert verdict == RefusedNumber("not_dialable", message)


def test_slashes_between_the_parts_of_one_number_are_no_second_one() -> None:
    assert PhoneParser("FR").parse("06/12/34/56/78") == ParsedNumber("+33612345678")
    assert isinstance(PhoneParser("US").parse("1/" * 500 + "1"), RefusedNumber)


@pytest.mark.parametrize(
    ("text", "first", "others"),
    [
        ("+1 202 555 0118 (home) +1 202 555 0119 (work)", "+12025550118", ("+12025550119",)),
        ("[+12025550118, +12025550119]", "+12025550118", ("+12025550119",)),
        ("Home: 202.555.0118 Work: 202.555.0119", "+12025550118", ("+12025550119",)),
        ("Tel. privat: +4930901820 Mobil: +12025550119", "+4930901820", ("+12025550119",)),
        ("(202) 555-0116 ext: 4 Mobile: (202) 555-0117", "+12025550117", ()),
    ],
)
def test_label_between_two_numbers_belongs_to_the_second(
    text: str, first: str, others: tuple[str, ...]
) -> None:
    assert PhoneParser("US").parse(text) == ParsedNumber(first, others=others)
