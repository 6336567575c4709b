import pytest

from telephony.domain.caller_numbers import normalize_caller


@pytest.mark.parametrize(
    ("called", "sent", "expected"),
    [
        ("+12025550100", "+12025550186", "+12025550186"),
        ("+12025550100", "12025550186", "+12025550186"),
        ("+12025550100", "2025550186", "+12025550186"),
        ("+12025550100", "442071838750", "+442071838750"),
        ("+4930987654", "030123456", "+4930123456"),
        ("+4930987654", "4930123456", "+4930123456"),
        ("+4930987654", "0012025550186", "+12025550186"),
        ("+34911234567", "912345678", "+34912345678"),
        ("+12025550100", "anonymous", "anonymous"),
        ("+12025550100", "", "anonymous"),
        ("+12025550100", "restricted", "anonymous"),
        ("+12025550100", "101", "101"),
    ],
)
def test_callers_are_known_by_one_spelling(called: str, sent: str, expected: str) -> None:
    assert normalize_caller(sent, called=called) == expected
