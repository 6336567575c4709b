"""Forms whose rules are the API's: what it refuses is written beside the field that it names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from console.api import Refused
from console.wording.api_sentences import in_page_language

# Messages of the API that are worded for programs.
PLAIN_WORDS = {
    "field required": noop("Please fill this in."),
    "none is not an allowed value": noop("Please fill this in."),
    "value is not a valid email address": noop("This is not an e-mail address."),
    "value is not a valid integer": noop("A whole number is expected."),
    "value is not a valid float": noop("A number is expected."),
    "value is not a valid uuid": noop("Please choose one."),
    "ensure this value has at least 1 characters": noop("Please fill this in."),
    "Invalid email or password": noop("E-mail or password is wrong."),
    "Second factor required": noop("Now the code of your second factor."),
    "Saved report already exists": noop("A report of this name is kept already."),
    "Email already registered": noop(
        "This address has an account. Sign in, or reset its password."
    ),
    "Invitation not found": noop(
        "This invitation was used, withdrawn, or is older than seven days."
    ),
    "Password reset not found": noop(
        "This link was used already, or has expired. Ask for another."
    ),
    "Too many requests": noop("Too many attempts. Wait a few minutes, then try again."),
    "Rehearsal required": noop(
        "Rehearse the draft first: this workspace publishes what has passed."
    ),
    "Rehearsal failed": noop(
        "The draft has failed its rehearsal. Change it, and rehearse it again."
    ),
    "Twilio error: no account is configured; set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN": noop(
        "No Twilio account is connected to this installation. Ask whoever runs it."
    ),
    "Insufficient permissions": noop("Your role in this workspace does not allow this."),
    "Admin access required": noop("Only admins of this workspace may do this."),
}


@dataclass
class Form:
    """What was typed, and what was refused about it, by field; `message` concerns the whole."""

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    message: str = ""

    @classmethod
    def refused(cls, values: Mapping[str, Any], refusal: Refused) -> Self:
        """Return the form as it was sent, with the API's refusal."""
        if isinstance(refusal.detail, str):
            return cls(values, message=sentence(refusal.detail))
        form = cls(values)
        for error in refusal.detail:
            names = [str(part) for part in error["loc"][1:]]
            text = sentence(error["msg"])
            if names:
                form.errors.setdefault(names[0], text)
            else:
                form.message = text
        return form


SENTENCE_ENDS = (".", "?", "!")
# Names of the API's fields, which its messages mention.
API_NAME = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")


def sentence(message: str) -> str:
    """Return a message of the API as a sentence for people, in the field's words."""
    if message in PLAIN_WORDS:
        return _(PLAIN_WORDS[message])
    if known := in_page_language(message):
        return known if known.endswith(SENTENCE_ENDS) else f"{known}."
    plain = API_NAME.sub(lambda found: found[0].replace("_", " "), message)
    plain = plain.replace("suppression list", "do-not-call list").replace("recipient", "person")
    text = plain[:1].upper() + plain[1:]
    return text if text.endswith(SENTENCE_ENDS) else f"{text}."


def refusal_text(refusal: Refused) -> str:
    """Return a refusal as one sentence, for places without fields."""
    if isinstance(refusal.detail, str):
        return sentence(refusal.detail)
    first = refusal.detail[0]
    name = str(first["loc"][-1]).replace("_", " ")
    return f"{name[:1].upper()}{name[1:]}: {sentence(first['msg'])}"


def filled(post: QueryDict, *names: str) -> dict[str, str]:
    """Return those of the named fields that are not empty."""
    values = {name: str(post.get(name, "")).strip() for name in names}
    return {name: value for name, value in values.items() if value}


def amount_of(budget: Any) -> Any:
    """Return a budget as its field shows it; the API keeps one with its currency as an object."""
    amount = budget["amount"] if isinstance(budget, Mapping) else budget
    return "" if amount is None else amount


def as_number(text: str | None) -> int | float | str | None:
    """Return what a number's field holds, None where it is empty; the API refuses other text."""
    written = (text or "").strip()
    if not written:
        return None
    try:
        return int(written) if written.lstrip("-").isdecimal() else float(written)
    except ValueError:
        return written
