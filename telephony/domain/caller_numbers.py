"""Who calls, in E.164 whatever the exchange sends: without a plus sign, or as dialled at home."""

import phonenumbers

from voiceops.core.phone_numbers import format_e164

ANONYMOUS_CALLER = "anonymous"
MAX_CALLER_LENGTH = 64
NORTH_AMERICAN_CODE = 1  # where national numbers are dialled without a prefix, or with 1


def normalize_caller(text: str, *, called: str) -> str:
    """Return the caller's number in E.164, `anonymous` for none, and others as they were sent.

    `called` is the number that was called (E.164): its country is the one in which a national
    spelling is read.
    """
    if not text.removeprefix("+").isdigit():
        return ANONYMOUS_CALLER
    if text.startswith("+"):
        return text[:MAX_CALLER_LENGTH]
    home = phonenumbers.parse(called)
    region = phonenumbers.region_code_for_number(home) or ""
    spellings = [(text, region), (f"+{text}", None)]
    # Where national numbers begin with a prefix, one without it is an international one.
    prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
    if home.country_code != NORTH_AMERICAN_CODE and not text.startswith(prefix):
        spellings.reverse()
    for spelling, country in spellings:
        if number := _valid_number(spelling, country):
            return number
    return text[:MAX_CALLER_LENGTH]


def _valid_number(spelling: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException:
        return None
    return format_e164(number) if phonenumbers.is_valid_number(number) else None
