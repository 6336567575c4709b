import pytest

from batches.importing.phones import ParsedNumber, PhoneParser, RefusedNumber
from voiceops.core.errors import Invalid
from voiceops.core.phone_numbers import to_e164


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("+5215541637145", "+525541637145"),
        ("+52 1 55 4163 7146", "+525541637146"),
        ("+52 1 (81) 8888-7777", "+528188887777"),
        ("+52 044 55 4163 7147", "+525541637147"),
        ("+55 11 8765-4321", "+5511987654321"),
        ("+55 (21) 9876-5432", "+5521998765432"),
        ("+225 07 12 34 56", "+2250707123456"),
        ("+225 45 12 34 56", "+2250545123456"),
        ("+225 01 12 34 56", "+2250101123456"),
        ("+225 22 44 12 34", "+2252722441234"),
        ("+54 11 15 2345-6789", "+5491123456789"),
        ("+54 9 11 15 2345-6789", "+5491123456789"),
        ("+84 162 612 3456", "+84326123456"),
        ("+57 1 2345678", "+576012345678"),
        ("+229 97 12 34 56", "+2290197123456"),
        ("+237 7123 4567", "+237671234567"),
    ],
)
def test_an_old_spelling_is_the_number_it_has_become(old: str, now: str) -> None:
    verdict = PhoneParser().parse(old)

    assert isinstance(verdict, ParsedNumber)
    assert verdict.e164 == now
    assert to_e164(old) == now


@pytest.mark.parametrize(
    ("country", "old", "now"),
    [
        ("MX", "044 55 4163 7145", "+525541637145"),
        ("MX", "01 55 4163 7145", "+525541637145"),
        ("BR", "(11) 8765-4321", "+5511987654321"),
        ("CI", "07 12 34 56", "+2250707123456"),
        ("AR", "011 15 2345-6789", "+5491123456789"),
    ],
)
def test_an_old_national_spelling_is_repaired(country: str, old: str, now: str) -> None:
    assert PhoneParser(country).parse(old) == ParsedNumber(now, repaired="15" not in old)


@pytest.mark.parametrize(
    ("old", "message"),
    [
        (
            "+52 1 15 4163 7145",
            "“+52 1 15 4163 7145” is written in an old form: Mexico dropped the 1 after +52 in "
            "2019, write +52 and ten digits",
        ),
        (
            "+54 15 2345 6789",
            "“+54 15 2345 6789” is written in an old form: mobile numbers of Argentina have no 15 "
            "after +54, write +54 9, the area code and the number without 15",
        ),
    ],
)
def test_an_old_spelling_that_leaves_a_doubt_is_refused_with_the_new_form(
    old: str, message: str
) -> None:
    assert PhoneParser().parse(old) == RefusedNumber("invalid_number", message)

    with pytest.raises(Invalid, match="Invalid phone number"):
        to_e164(old)


@pytest.mark.parametrize("number", ["+525541637147", "+5511987654321", "+2250707123456"])
def test_a_number_in_its_new_form_is_not_changed(number: str) -> None:
    assert PhoneParser().parse(number) == ParsedNumber(number)


@pytest.mark.parametrize(
    "around",
    [
        "\u2066{}\u2069",
        "\u2067{}\u2069",
        "\u2068{}\u2069",
        "\u202a{}\u202c",
        "\u202d{}\u202c",
        "{}\ufe0f",
        "\u200e{}\u200f",
        "\ufeff{}",
        "\u061c{}",
        "{}\u00ad",
        "\u00a0{}\u2007",
        "{}\U000e0100",
        "\u3164{}\uffa0",
        "\u2800{}\ufffc",
        "\t{}\x0b",
    ],
)
def test_invisible_characters_are_no_part_of_a_number(around: str) -> None:
    spelling = around.format("+1 202-555-0103")

    assert PhoneParser().parse(spelling) == ParsedNumber("+12025550103")
    assert to_e164(spelling) == "+12025550103"


@pytest.mark.parametrize("blank", ["\t", "\x0b", "\u2028", "\n", "\u00a0", "\u3000"])
def test_any_blank_may_stand_inside_a_number(blank: str) -> None:
    spelling = blank.join(["+1", "202", "555", "0103"])

    assert PhoneParser().parse(spelling) == ParsedNumber("+12025550103")
    assert to_e164(spelling) == "+12025550103"
