"""The API's sentences in the console's words and languages: why nobody was called, timelines.

The API's own stay as they are documented. What it says with values in it is recognised by its
form; what is not known here is displayed as it was written.
"""

import re
from functools import cache

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

# The API's sentence -> the console's, where the API names settings or files.
REWORDED = {
    'Nothing, or upload the list with on_duplicate "keep" to call every row.': noop(
        "Nothing: this person is called once."
    ),
    "The number is on the suppression list, or its owner's data was erased.": noop(
        "The number is on the do-not-call list, or its owner's data was erased."
    ),
    "Remove the number from the suppression list, if it may be called again.": noop(
        "Remove the number from the do-not-call list, if it may be called again."
    ),
    "Correct the number in rejected.csv, and append that file to the batch.": noop(
        "Correct the number in the file of refused rows, and append that file to the batch."
    ),
    (
        "Rung by another batch, or another row of this one, within the workspace's minimum gap."
    ): noop("Called by another batch, or for another row of this one, a short while ago."),
    "Wait until next_attempt_at, or change min_gap_minutes of the workspace.": noop(
        "Wait for the next attempt, or change the pause between two calls in the settings."
    ),
    (
        "Append the recipient tomorrow, or raise max_attempts_per_day of the batch or workspace."
    ): noop("Append the person tomorrow, or allow more calls in a day in the settings."),
    (
        "Append the recipient next week, or raise max_attempts_per_week of the batch or workspace."
    ): noop("Append the person next week, or allow more calls in a week in the settings."),
    (
        "Append the recipient later, or raise max_attempts_per_30_days of the batch or workspace."
    ): noop("Append the person later, or allow more calls in 30 days in the settings."),
    (
        "Append the recipient later, or lower rest_days_after_answer of the batch or workspace."
    ): noop("Append the person later, or lower the days of rest after an answer in the settings."),
    (
        "Append the recipient later, or lower rest_days_after_refusal of the batch or workspace."
    ): noop(
        "Append the person later, or lower the days of rest after a declined call in the settings."
    ),
    (
        "Append it with a column named timezone, set unknown_zone of the workspace, or "
        "widen the calling window; then release the recipient if its batch has ended."
    ): noop(
        "Append it with a column named timezone, or widen the calling window; then release the "
        "person if the batch has ended."
    ),
    "Wait until scheduled_at, or start it now.": noop("Wait until then, or start it now."),
    "The batch has paused itself, because its calls have cost as much as its max_cost.": noop(
        "The batch has paused itself, because its calls have cost as much as its budget."
    ),
    "Raise max_cost of the batch, and it resumes by itself.": noop(
        "Raise the budget of the batch, and it resumes by itself."
    ),
    "Wait for the next day, or raise max_cost_per_day of the workspace.": noop(
        "Wait for the next day, or raise the budget of a day in the settings."
    ),
    "Wait until the first of them are a day old, or raise max_calls_per_day.": noop(
        "Wait until the first of them are a day old, or raise the calls in a day in the settings."
    ),
    "Upload the remaining recipients as a new batch, if they are to be called.": noop(
        "Upload the remaining people as a new batch, if they are to be called."
    ),
    "Upload the recipient in a new batch, if it is to be called.": noop(
        "Upload the person in a new batch, if they are to be called."
    ),
    "Release the recipient to call it again, or close it.": noop(
        "Release the person to call them again, or close the case."
    ),
    "The callee is to be called at a time of its own.": noop(
        "The person is to be called at a time of their own."
    ),
    "Wait until callback_at.": noop("Wait for the time of the callback."),
    "The callback that the recipient waited for was cancelled.": noop(
        "The callback that this person waited for was cancelled."
    ),
    "Schedule another callback, if the recipient is to be called.": noop(
        "Schedule another callback, if the person is to be called."
    ),
    "Release the recipient to call it again, or close it, if it is in review.": noop(
        "Release the person to call them again, or close the case, if it is in review."
    ),
    "See the recipient's calls for details.": noop("See this person's calls for details."),
    "No voice worker is installed here. Install it with: make worker": noop(
        "No worker here can rehearse: the voice program is not installed beside any of them. Ask "
        "whoever runs this installation to add it."
    ),
    "Proven: no INVITE left": noop("Proven: nothing was sent to the carrier"),
}
# Those that are the same in both.
KNOWN_SENTENCES = (
    noop("The last call did not reach the person, and the batch waits before it tries again"),
    noop("Nothing: the person is called again then"),
    noop("The number already stands in this list"),
    noop("A variable that the agent requires has no value"),
    noop("Fill in the column, or give the variable a default in the agent and publish it"),
    noop("The row has no phone number"),
    noop("The phone column holds no phone number"),
    noop("The number does not exist, by its country's plan"),
    noop("Emergency, short and premium-rate numbers are never called"),
    noop("Nothing, or give another number of this person"),
    noop("A spreadsheet has damaged the number, for example to 1.2E+10"),
    noop("Format the column as text, enter the number again, and append the corrected row"),
    noop("The row has more columns than the header"),
    noop("Put cells that contain the separator in quotes, and append the corrected row"),
    noop("The row cannot be read"),
    noop("Correct the row, and append the corrected file"),
    noop("The calling window is closed at the callee's local time, or never opens for this number"),
    noop("Wait until it opens, or change the calling window of the batch or the workspace"),
    noop("The number was called as often as its limit allows in a day"),
    noop("The number was called as often as its limit allows in a week"),
    noop("The number was called as often as its limit allows in thirty days"),
    noop("The number answered a call lately, and such numbers rest"),
    noop("The number declined a call lately, and such numbers rest"),
    noop(
        "The number's time zone is not known: it is toll-free, a mobile of a country with "
        "several zones, or of no country"
    ),
    noop("The list is still being read"),
    noop("Wait a moment"),
    noop("The batch has not been started"),
    noop("Start the batch"),
    noop("The batch starts at its scheduled time"),
    noop("Waits for its turn"),
    noop("Nothing: the batch is running"),
    noop("The workspace has spent its budget of the day: calls go on when its next day begins"),
    noop("The workspace has made as many calls in the last 24 hours as its limit allows"),
    noop("The batch is paused"),
    noop("Resume the batch"),
    noop("The batch was stopped before the call"),
    noop("An operator hung up before the answer"),
    noop("Nobody can prove whether the phone rang"),
    noop("The disposition of the last call asks for it"),
    noop("The variables are longer than LiveKit takes (512 KiB with the agent's settings)"),
    noop("Shorten the row's values, and append it again"),
    noop("The carrier blocked the call"),
    noop("The callee's line was busy"),
    noop("The callee declined the call"),
    noop("Nobody answered"),
    noop("Nobody answered before the ringing timeout"),
    noop("The number does not exist"),
    noop("The carrier's limit of calls was reached"),
    noop("LiveKit's rate limit was reached"),
    noop("The carrier is out of channels"),
    noop("The carrier failed"),
    noop("The carrier did not react"),
    noop("The phone never rang, while others on this number did"),
    noop("The carrier could not be reached"),
    noop("The carrier refused the trunk's credentials"),
    noop("The carrier does not let this trunk call there"),
    noop("The carrier and the trunk share no codec"),
    noop("The trunk's address cannot be resolved"),
    noop("The trunk does not exist at LiveKit"),
    noop("The trunk has no number at LiveKit"),
    noop("LiveKit refused the request"),
    noop("LiveKit refused our API key"),
    noop("The request came too late and was refused"),
    noop("LiveKit had no SIP service free"),
    noop("LiveKit could not be reached"),
    noop("No voice agent joined the room"),
    noop("The voice agent was lost before the callee answered"),
    noop("The agent's secrets cannot be decrypted"),
    noop("The variables are longer than LiveKit takes"),
    noop("The worker stopped before it dialled"),
    noop("Put back before it was dialled"),
    noop("The callee hung up"),
    noop("The agent hung up"),
    noop("An operator hung up"),
    noop("The caller hung up"),
    noop("The call reached its maximum duration"),
    noop("The voice agent was lost, and the call was ended"),
    noop("The voice agent was lost while the callee was on the line"),
    noop("The call ended"),
    noop("The call was over"),
    noop("The test call was answered"),
    noop("A test call in a browser was opened"),
    noop("The voice agent joined the room"),
    noop("A person answered"),
    noop("An answering machine answered"),
    noop("It is unclear who answered"),
    noop("A call screener answered"),
    noop("The agent left a message on the answering machine"),
    noop("The agent left a part of a message on the answering machine"),
    noop("The agent analysed the call"),
    noop("The recording is ready"),
    noop("The transcript was deleted after its retention period"),
    noop("The recording was deleted after its retention period"),
    noop("Erased"),
    noop("An answer was reported after the call had ended unanswered"),
    noop("The call reached its latest end, and LiveKit could not be asked to end it"),
    noop("The callee was called after the attempt had been closed as never sent"),
    noop("The phone may still ring: LiveKit could not be asked to end the call"),
    noop("Hung up before it was dialled"),
    noop("Hung up before it was answered"),
    noop("One call at a time probes, and the batch resumes when it gets through"),
    noop("It failed unexpectedly; the worker's log says why"),
    noop("What was said is too long to be kept"),
    noop("The voice worker's answer cannot be read"),
    noop("Agent has no scripts"),
    noop("Too many rehearsals are waiting"),
    noop("its key is missing"),
    noop("its package is not installed"),
    noop("it has no such part"),
    noop("it is not known there"),
)
# Those with values in them.
SENTENCE_FORMS = (
    noop("Calling %(number)s"),
    noop("%(number)s is ringing"),
    noop("%(number)s answered"),
    noop("%(caller)s is calling %(number)s"),
    noop("A call to %(number)s was ordered"),
    noop("A test call to %(number)s was ordered"),
    noop("The agent used %(tool)s"),
    noop("A callback at %(time)s was planned"),
    noop("A callback at %(time)s was not planned: %(reason)s"),
    noop("The agent transferred the callee to %(number)s"),
    noop("The agent could not transfer the callee to %(number)s"),
    noop("Transferring to %(number)s"),
    noop("Transferred to %(number)s"),
    noop("The transfer failed: %(reason)s"),
    noop("Pressed %(digits)s"),
    noop("The callee pressed %(digits)s"),
    noop("Something failed at %(place)s"),
    noop("The recording could not be started: %(reason)s"),
    noop("The recording failed: %(reason)s"),
    noop("Disposition: %(name)s (by %(who)s)"),
    noop("The agent reported a disposition that was not accepted: %(name)s"),
    noop("The agent reported its usage: %(amount)s"),
    noop("The callee's line was closed (%(reason)s)"),
    noop("The agent reported '%(kind)s' after the call had ended"),
    noop("It costs no attempt, and the number is called again after %(time)s"),
    noop("%(cause)s, %(count)s times in a row"),
    noop("It was not over after %(count)s seconds"),
    noop("The voice worker failed: %(reason)s"),
    noop("No voice worker here speaks all of %(parts)s"),
    noop("No voice worker here speaks %(part)s: %(reason)s"),
    noop("No voice worker here speaks %(part)s with the model %(model)s"),
    noop("No voice worker here speaks %(part)s in %(language)s"),
)
# What may stand for a value; a sentence that is a value is translated, too.
VALUE_FORMS = {
    "count": r"\d+",
    "number": r"\S+",
    "caller": r"\S+",
    "tool": r"\S+",
    "digits": r"\S+",
}
CODE_VALUES = ("tool", "name", "kind", "reason")
# What the carrier answered, after a sentence: "(486 Busy Here)".
IN_BRACKETS = re.compile(r"(?P<text>.+) \((?P<words>\d{3}\b[^()]*|X-[^()]*)\)", re.DOTALL)
FORM_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def in_page_language(message: str) -> str | None:
    """Return a sentence of the API in the console's words; None for one that is not known."""
    if message in REWORDED:
        return _(REWORDED[message])
    text = message.removesuffix(".")
    end = "." if text != message else ""
    found = _(text) if text in KNOWN_SENTENCES else _with_values(text)
    return found and found + end


def _with_values(text: str) -> str | None:
    for form, pattern in _patterns():
        if match := pattern.fullmatch(text):
            return _(form) % {
                name: _value(name, value) for name, value in match.groupdict().items()
            }
    if match := IN_BRACKETS.fullmatch(text):
        known = in_page_language(match["text"])
        return known and f"{known} ({match['words']})"
    first, stop, rest = text.partition(". ")
    if not stop:
        return None
    parts = {part: in_page_language(part) for part in (first, rest)}
    return f"{parts[first] or first}. {parts[rest] or rest}" if any(parts.values()) else None


def _value(name: str, value: str) -> str:
    plain = value.replace("_", " ") if name in CODE_VALUES else value
    return in_page_language(value) or plain


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return the forms with what recognises each."""
    return [(form, re.compile(_expression_of(form), re.DOTALL)) for form in SENTENCE_FORMS]


def _expression_of(form: str) -> str:
    literals = FORM_PLACEHOLDER.split(form)
    # Literal texts and names take turns.
    return "".join(
        f"(?P<{part}>{VALUE_FORMS.get(part, '.+')})" if index % 2 else re.escape(part)
        for index, part in enumerate(literals)
    )
