"""What no report, prompt or log line may hold: credentials of tools, and what callees entrust."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "********"
# Arguments whose value is not repeated in reports.
SECRET_ARGUMENT = re.compile(
    r"pass(word|code|phrase)|secret|token|\bpin\b|cvv|cvc|card|iban|ssn|api_?key", re.IGNORECASE
)
# Headers that say what is sent, not who sends it.
OPEN_HEADERS = {"accept", "accept-language", "content-type", "user-agent"}
# A shorter value would be found in ordinary words.
MIN_SECRET_CHARACTERS = 5


def without_secrets(value: Any) -> Any:
    """Return arguments for a report: values under names of secrets are masked."""
    if isinstance(value, Mapping):
        return {
            name: MASK if SECRET_ARGUMENT.search(str(name)) else without_secrets(inner)
            for name, inner in value.items()
        }
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


def mask_headers(text: str, headers: Mapping[str, str]) -> str:
    """Return a text without the values of headers, which a system may have sent back."""
    values = {value for name, value in headers.items() if name.lower() not in OPEN_HEADERS}
    # `Bearer abc` may come back as abc.
    values |= {value.rpartition(" ")[2] for value in values}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= MIN_SECRET_CHARACTERS:
            text = text.replace(value, MASK)
    return text
