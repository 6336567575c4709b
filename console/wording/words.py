"""The field's words for the API's codes, and the tone (a CSS class) that each is drawn in."""

import unicodedata
from functools import cache
from importlib.resources import files

from babel import Locale
from django.utils import translation
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from telephony.domain.outcome_words import OUTCOME_NAMES

Words = dict[str, tuple[str | Promise, str]]

OUTCOME_TONES = {
    "answered": "reached",
    "voicemail": "voicemail",
    "screened": "voicemail",
    "no_answer": "unreached",
    "busy": "busy",
    "declined": "busy",
    "blocked": "busy",
    "invalid_number": "failed",
    "carrier_error": "failed",
    "trunk_error": "failed",
    "throttled": "failed",
    "cancelled": "none",
    "unknown": "review",
}
OUTCOME_WORDS: Words = {
    outcome: (name, OUTCOME_TONES[outcome]) for outcome, name in OUTCOME_NAMES.items()
}
CALL_WORDS: Words = {
    "queued": (_("Queued"), "waiting"),
    "dialing": (_("Dialling"), "live"),
    "ringing": (_("Ringing"), "live"),
    "in_progress": (_("In conversation"), "live"),
    "ended": (_("Ended"), "none"),
}
BATCH_WORDS: Words = {
    "validating": (_("Reading the list"), "waiting"),
    "ready": (_("Ready to start"), "waiting"),
    "scheduled": (_("Scheduled"), "waiting"),
    "running": (_("Calling"), "live"),
    "paused": (_("Paused"), "retry"),
    "completed": (_("Completed"), "reached"),
    "stopped": (_("Stopped"), "none"),
    "failed": (_("Failed"), "failed"),
}
RECIPIENT_WORDS: Words = {
    "pending": (_("Waiting"), "waiting"),
    "dialing": (_("Dialling"), "live"),
    "in_call": (_("In conversation"), "live"),
    "retrying": (_("Will be called again"), "retry"),
    "completed": (_("Done"), "reached"),
    "failed": (_("Not reached"), "unreached"),
    "skipped": (_("Not called"), "none"),
    "cancelled": (_("Cancelled"), "none"),
    "review": (_("Needs review"), "review"),
}
CALLBACK_WORDS: Words = {
    "scheduled": (_("Scheduled"), "waiting"),
    "moved": (_("Moved"), "retry"),
    "dialing": (_("Dialling"), "live"),
    "done": (_("Done"), "reached"),
    "missed": (_("Missed"), "failed"),
    "cancelled": (_("Cancelled"), "none"),
}
NUMBER_WORDS: Words = {
    "provisioning": (_("Being set up"), "waiting"),
    "active": (_("Working"), "reached"),
    "error": (_("Error"), "failed"),
    "failing": (_("Failing"), "failed"),
}
DELIVERY_WORDS: Words = {
    "pending": (_("Waiting"), "waiting"),
    "delivered": (_("Delivered"), "reached"),
    "failed": (_("Failed"), "failed"),
}
ROLE_WORDS: Words = {
    "member": (_("Member"), "none"),
    "manager": (_("Manager"), "waiting"),
    "admin": (_("Admin"), "live"),
}
SOURCE_WORDS: Words = {
    "manual": (_("Entered"), "none"),
    "import": (_("Imported"), "none"),
    "opt_out": (_("Asked on a call"), "none"),
    "blocked": (_("Blocked by the carrier"), "none"),
}
SPEAKER_WORDS: Words = {
    "agent": (_("Agent"), "live"),
    "user": (_("Callee"), "none"),
    "callee": (_("Callee"), "none"),
    "tool": (_("Tool"), "waiting"),
}
CONSEQUENCE_WORDS: Words = {
    "finish": (_("Done"), "none"),
    "retry": (_("Called again"), "none"),
    "callback": (_("Called back at a time"), "none"),
    "suppress": (_("Never called again"), "none"),
    "rest": (_("Left in peace for some days"), "none"),
    "review": (_("Somebody decides"), "none"),
}
SIP_WORDS: dict[int, str | Promise] = {
    200: _("Taken"),
    403: _("Refused by the carrier"),
    404: _("Number does not exist"),
    408: _("No answer from the network"),
    410: _("Number is gone"),
    480: _("Cannot be reached now"),
    484: _("Number is incomplete"),
    486: _("Busy"),
    487: _("Ended before an answer"),
    488: _("No common codec"),
    500: _("Error of the carrier"),
    502: _("Error between carriers"),
    503: _("Carrier is out of service or full"),
    504: _("Carrier took too long"),
    600: _("Busy everywhere"),
    603: _("Declined"),
    604: _("Exists nowhere"),
    607: _("Not wanted"),
    608: _("Rejected by a filter"),
}
REHEARSAL_WORDS: Words = {
    "queued": (_("Waiting"), "waiting"),
    "running": (_("Being rehearsed"), "live"),
    "passed": (_("Passed"), "reached"),
    "failed": (_("Failed"), "failed"),
    "error": (_("Not rehearsed"), "retry"),
}
WORDS_BY_KIND: dict[str, Words] = {
    "outcome": OUTCOME_WORDS,
    "call": CALL_WORDS,
    "batch": BATCH_WORDS,
    "recipient": RECIPIENT_WORDS,
    "callback": CALLBACK_WORDS,
    "number": NUMBER_WORDS,
    "delivery": DELIVERY_WORDS,
    "role": ROLE_WORDS,
    "source": SOURCE_WORDS,
    "speaker": SPEAKER_WORDS,
    "consequence": CONSEQUENCE_WORDS,
    "rehearsal": REHEARSAL_WORDS,
}


def words_for(kind: str, code: object) -> tuple[str, str]:
    """Return the words and the tone of a code; one that is not known is spelt out."""
    known = WORDS_BY_KIND[kind].get(str(code))
    if known is None:
        return spelt_out(str(code or "")), "none"
    return str(known[0]), known[1]


def sip_words(status: int) -> str:
    """Return a carrier's answer as code and words."""
    return f"{status} {SIP_WORDS.get(status, '')}".strip()


def spelt_out(code: str) -> str:
    """Return a name of the API as a person would write it."""
    text = code.replace("_", " ").replace(".", " ").strip()
    return text[:1].upper() + text[1:]


def choices_of(kind: str) -> list[tuple[str, str]]:
    """Return codes with their words, for a select."""
    return [(code, str(words)) for code, (words, _tone) in WORDS_BY_KIND[kind].items()]


def countries() -> list[tuple[str, str]]:
    """Return codes and names of all countries in the page's language, for a select."""
    return _countries_in(translation.get_language() or "en")


@cache
def _countries_in(language: str) -> list[tuple[str, str]]:
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    codes = [line.split("\t")[0] for line in table.splitlines() if not line.startswith("#")]
    names = Locale.parse(language, sep="-").territories
    return sorted(((code, str(names[code])) for code in codes), key=lambda row: _folded(row[1]))


def _folded(name: str) -> str:
    """Return a name as it is sorted: an accent makes no difference."""
    characters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(each for each in characters if not unicodedata.combining(each))


def weekdays() -> list[tuple[int, str]]:
    """Return the API's numbers of the weekdays, with their short names."""
    return [(day, str(WEEKDAYS_ABBR[day - 1])) for day in range(1, 8)]
