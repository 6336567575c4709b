import pytest

from telephony.domain.dialled_form import dialled_form
from telephony.models import PhoneNumber


@pytest.mark.parametrize(
    ("own", "dial_format", "prefix", "to", "expected"),
    [
        ("+12025550100", None, None, "+12025550186", "+12025550186"),
        ("+12025550100", "e164", None, "+12025550186", "+12025550186"),
        ("+12025550100", "e164", "1234#", "+12025550186", "1234#+12025550186"),
        ("+12025550100", "no_plus", None, "+12025550186", "12025550186"),
        ("+12025550100", "no_plus", "00", "+4930123456", "004930123456"),
        ("+12025550100", "national", None, "+12025550186", "2025550186"),
        ("+12025550100", "national", "9", "+12025550186", "92025550186"),
        ("+12025550100", "national", "9", "+14165550186", "94165550186"),
        ("+12025550100", "national", "9", "+4930123456", "9011" + "4930123456"),
        ("+4930987654", "national", "0", "+4930123456", "0" + "030123456"),
        ("+4930987654", "national", None, "+12025550186", "00" + "12025550186"),
        ("+33123456789", "national", None, "+33612345678", "0612345678"),
    ],
)
def test_numbers_are_dialled_as_the_trunk_wants_them(
    own: str, dial_format: str | None, prefix: str | None, to: str, expected: str
) -> None:
    number = PhoneNumber(phone_number=own, dial_format=dial_format, dial_prefix=prefix)

    assert dialled_form(number, to) == expected


@pytest.mark.parametrize("dial_format", ["e164", "no_plus", "national"])
def test_the_last_two_digits_stay_the_last(dial_format: str) -> None:
    number = PhoneNumber(phone_number="+12025550100", dial_format=dial_format, dial_prefix="9")

    endings = {dialled_form(number, f"+1202555{at:04}")[-2:] for at in range(100, 200)}

    assert endings == {f"{at:02}" for at in range(100)}
