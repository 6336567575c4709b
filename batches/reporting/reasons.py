"""Why recipients are not called: each code in words, with what can be done about it."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Q, Sum
from django.utils import timezone

from batches.models import Batch, Recipient, RecipientCount
from telephony.dialing.capacity import calls_of_the_day
from telephony.domain.dial_verdicts import BY_REASON
from telephony.models import Call

Status = Recipient.Status
# Codes of recipients that wait for their turn, by the state of their batch.
WAITING_REASONS: dict[str, str] = {
    Batch.Status.VALIDATING: "list_being_read",
    Batch.Status.READY: "not_started",
    Batch.Status.SCHEDULED: "scheduled",
    Batch.Status.RUNNING: "waiting",
    Batch.Status.PAUSED: "batch_paused",
}
# Of people who wait for their batch alone, so that their rows have no reason of their own.
BATCH_REASONS = frozenset(
    {
        *WAITING_REASONS.values(),
        *("budget_spent", "daily_budget_spent", "daily_limit_reached", "batch_stopped"),
    }
)
# Of rows that were rejected.
ROW_REASONS = frozenset(
    {
        *("missing_number", "not_a_number", "invalid_number", "not_dialable", "damaged_number"),
        *("too_many_columns", "unreadable_row"),
    }
)
# Rules that postpone a call; a retry that waits for its own time was called before.
POSTPONING_REASONS = ("window_closed", "min_gap")


class Explanation(NamedTuple):
    """A reason in words, and what an operator may do next; empty for nothing."""

    text: str
    next_step: str


FIX_ROW = "Correct the number in rejected.csv, and append that file to the batch."
EXPLANATIONS: dict[str, Explanation] = {
    # The list.
    "duplicate": Explanation(
        "The number already stands in this list.",
        'Nothing, or upload the list with on_duplicate "keep" to call every row.',
    ),
    "suppressed": Explanation(
        "The number is on the suppression list, or its owner's data was erased.",
        "Remove the number from the suppression list, if it may be called again.",
    ),
    "missing_variable": Explanation(
        "A variable that the agent requires has no value.",
        "Fill in the column, or give the variable a default in the agent and publish it.",
    ),
    "missing_number": Explanation("The row has no phone number.", FIX_ROW),
    "not_a_number": Explanation("The phone column holds no phone number.", FIX_ROW),
    "invalid_number": Explanation("The number does not exist, by its country's plan.", FIX_ROW),
    "not_dialable": Explanation(
        "Emergency, short and premium-rate numbers are never called.",
        "Nothing, or give another number of this person.",
    ),
    "damaged_number": Explanation(
        "A spreadsheet has damaged the number, for example to 1.2E+10.",
        "Format the column as text, enter the number again, and append the corrected row.",
    ),
    "too_many_columns": Explanation(
        "The row has more columns than the header.",
        "Put cells that contain the separator in quotes, and append the corrected row.",
    ),
    "unreadable_row": Explanation(
        "The row cannot be read.", "Correct the row, and append the corrected file."
    ),
    # The rules of when and how often.
    "window_closed": Explanation(
        "The calling window is closed at the callee's local time, or never opens for this number.",
        "Wait until it opens, or change the calling window of the batch or the workspace.",
    ),
    "min_gap": Explanation(
        "Rung by another batch, or another row of this one, within the workspace's minimum gap.",
        "Wait until next_attempt_at, or change min_gap_minutes of the workspace.",
    ),
    "daily_cap": Explanation(
        "The number was called as often as its limit allows in a day.",
        "Append the recipient tomorrow, or raise max_attempts_per_day of the batch or workspace.",
    ),
    "weekly_cap": Explanation(
        "The number was called as often as its limit allows in a week.",
        "Append the recipient next week, or raise max_attempts_per_week of the batch or workspace.",
    ),
    "monthly_cap": Explanation(
        "The number was called as often as its limit allows in thirty days.",
        "Append the recipient later, or raise max_attempts_per_30_days of the batch or workspace.",
    ),
    "rest_after_answer": Explanation(
        "The number answered a call lately, and such numbers rest.",
        "Append the recipient later, or lower rest_days_after_answer of the batch or workspace.",
    ),
    "rest_after_refusal": Explanation(
        "The number declined a call lately, and such numbers rest.",
        "Append the recipient later, or lower rest_days_after_refusal of the batch or workspace.",
    ),
    "zone_unknown": Explanation(
        "The number's time zone is not known: it is toll-free, a mobile of a country with several "
        "zones, or of no country.",
        "Append it with a column named timezone, set unknown_zone of the workspace, or widen the "
        "calling window; then release the recipient if its batch has ended.",
    ),
    "retry": Explanation(
        "The last call did not reach the person, and the batch waits before it tries again.",
        "Nothing: the person is called again then.",
    ),
    # The batch.
    "list_being_read": Explanation("The list is still being read.", "Wait a moment."),
    "not_started": Explanation("The batch has not been started.", "Start the batch."),
    "scheduled": Explanation(
        "The batch starts at its scheduled time.", "Wait until scheduled_at, or start it now."
    ),
    "waiting": Explanation("Waits for its turn.", "Nothing: the batch is running."),
    "budget_spent": Explanation(
        "The batch has paused itself, because its calls have cost as much as its max_cost.",
        "Raise max_cost of the batch, and it resumes by itself.",
    ),
    "daily_budget_spent": Explanation(
        "The workspace has spent its budget of the day: calls go on when its next day begins.",
        "Wait for the next day, or raise max_cost_per_day of the workspace.",
    ),
    "daily_limit_reached": Explanation(
        "The workspace has made as many calls in the last 24 hours as its limit allows.",
        "Wait until the first of them are a day old, or raise max_calls_per_day.",
    ),
    "batch_paused": Explanation("The batch is paused.", "Resume the batch."),
    "batch_stopped": Explanation(
        "The batch was stopped before the call.",
        "Upload the remaining recipients as a new batch, if they are to be called.",
    ),
    "hung_up_before_answer": Explanation(
        "An operator hung up before the answer.",
        "Upload the recipient in a new batch, if it is to be called.",
    ),
    # The call.
    "in_doubt": Explanation(
        "Nobody can prove whether the phone rang.",
        "Release the recipient to call it again, or close it.",
    ),
    "callback": Explanation(
        "The callee is to be called at a time of its own.", "Wait until callback_at."
    ),
    "callback_cancelled": Explanation(
        "The callback that the recipient waited for was cancelled.",
        "Schedule another callback, if the recipient is to be called.",
    ),
    "disposition": Explanation(
        "The disposition of the last call asks for it.",
        "Release the recipient to call it again, or close it, if it is in review.",
    ),
    "variables_too_long": Explanation(
        "The variables are longer than LiveKit takes (512 KiB with the agent's settings).",
        "Shorten the row's values, and append it again.",
    ),
}


def explain(code: str) -> Explanation:
    """Return a reason in words; an operator's own reason is returned as it was written."""
    if code in EXPLANATIONS:
        return EXPLANATIONS[code]
    if verdict := BY_REASON.get(code):
        return Explanation(f"{verdict.description}.", "See the recipient's calls for details.")
    return Explanation(code.replace("_", " "), "")


def reason_items(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return `{code, text, next_step, count}` of each reason, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"code": code, **explain(code)._asdict(), "count": count}
        for code, count in ordered
        if count
    ]


def waiting_reason(batch: Batch, now: datetime) -> str:
    """Return the code of the batch's recipients that wait for nothing of their own."""
    until = batch.workspace.budget_spent_until
    if batch.status == Batch.Status.RUNNING and until is not None and until > now:
        return "daily_budget_spent"
    if batch.status == Batch.Status.PAUSED and batch.budget_spent_at is not None:
        return "budget_spent"
    return WAITING_REASONS.get(batch.status, "batch_stopped")


def _reason_of_waiting(batch: Batch) -> str:
    """Return why they wait that wait for nothing of their own; a limit may have to be counted."""
    reason = waiting_reason(batch, timezone.now())
    limit = batch.workspace.max_calls_per_day
    if reason != WAITING_REASONS[Batch.Status.RUNNING] or limit is None:
        return reason
    is_reached = calls_of_the_day(batch.workspace, Call.unscoped.open()) >= limit
    return "daily_limit_reached" if is_reached else reason


def reasons_of(batch: Batch) -> list[dict[str, Any]]:
    """Return why people of the batch's list are not called, or not yet, with how many they are.

    Rows that were rejected count, too; recipients whose call had a result do not.
    """
    counts: Counter[str] = Counter()
    never_called = Q(has_attempts=False, status__in=(Status.PENDING, Status.FAILED))
    given_up = Q(status__in=(Status.SKIPPED, Status.CANCELLED, Status.REVIEW))
    postponed = Q(status=Status.RETRYING, reason__in=POSTPONING_REASONS)
    alike = RecipientCount.unscoped.filter(never_called | given_up | postponed, batch_id=batch.pk)
    for reason, count in alike.order_by().values_list("reason").annotate(Sum("recipients")):
        counts[reason or _reason_of_waiting(batch)] += count
    rejected = batch.rejected_rows.order_by().values_list("error_code")
    for code, count in rejected.annotate(Count("pk")):
        counts[code] += count
    return reason_items(counts)
