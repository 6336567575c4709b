"""Every way in which a recipient may move from one state to another, as data.

The import creates a recipient `pending` or `skipped`. `due_at` is set exactly while it waits for a
call, `unreported_at` where anything but a call's end finishes it. Only the reservation makes it
`dialing`, under the lock of its row and together with the row of its call, so no recipient is
called twice at once.
"""

from batches.models import Recipient
from voiceops.core.transitions import Transition, transition_rows

Status = Recipient.Status
RESULT = ("reason", "outcome", "attempts", "due_at", "callback_at")

# `sends` numbers every call, also one that costs no attempt, so that no sequence comes twice.
RESERVE = Transition(
    "reserve_for_batch",
    since=Status.waiting(),
    to=Status.DIALING,
    evidence="due, inside its calling window, and a place for a call is free",
    sets=("due_at", "sends", "last_call_id", "callback_at"),
)
SKIP_CLOSED = Transition(
    "defer_outside_window",
    since=Status.waiting(),
    to=Status.SKIPPED,
    evidence="its calling window never opens",
    sets=("reason", "due_at", "unreported_at"),
)
REVIEW_ZONE = Transition(
    "defer_outside_window",
    since=Status.waiting(),
    to=Status.REVIEW,
    evidence="its time zone cannot be known, and its possible zones are never open together",
    sets=("reason", "due_at"),
)
ENTER_CALL = Transition(
    "mark_in_call",
    since=(Status.DIALING,),
    to=Status.IN_CALL,
    evidence="its call was answered",
)
COMPLETE_RECIPIENT = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.COMPLETED,
    evidence="answered by the callee, or by a machine that is not called again",
    sets=RESULT,
)
RETRY = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.RETRYING,
    evidence="the retry policy plans another attempt, or an attempt that cost nothing is repeated",
    sets=RESULT,
)
NEXT_NUMBER = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.RETRYING,
    evidence="its number does not exist, and it has another",
    sets=(*RESULT, "number_position"),
)
RETURN_TO_QUEUE = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.PENDING,
    evidence="the first attempt cost nothing and is repeated",
    sets=RESULT,
)
FAIL = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.FAILED,
    evidence="the last attempt has been made, or the provider refused too many",
    sets=RESULT,
)
SKIP = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.SKIPPED,
    evidence="the admission refused the call for good",
    sets=RESULT,
)
CANCEL = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.CANCELLED,
    evidence="an operator hung up before the answer, or the batch was stopped",
    sets=RESULT,
)
# Not retried: a phone that may have rung only rings again when a human says so.
PUT_IN_REVIEW = Transition(
    "settle_calls",
    since=Status.calling(),
    to=Status.REVIEW,
    evidence="the phone may have rung, and nothing proves it",
    sets=RESULT,
)
CANCEL_WAITING = Transition(
    "cancel_waiting",
    since=Status.waiting(),
    to=Status.CANCELLED,
    evidence="the batch was stopped",
    sets=("reason", "due_at", "unreported_at"),
)
FINISH_AFTERWARDS = Transition(
    "apply_dispositions",
    since=(*Status.waiting(), Status.REVIEW),
    to=Status.COMPLETED,
    evidence="the disposition of its last call says that no other follows",
    sets=("reason", "due_at", "unreported_at"),
)
RETRY_AFTERWARDS = Transition(
    "apply_dispositions",
    since=(Status.RETRYING, Status.COMPLETED, Status.FAILED, Status.REVIEW),
    to=Status.RETRYING,
    evidence="the disposition of its last call asks for another",
    sets=("reason", "due_at", "unreported_at"),
)
REVIEW_AFTERWARDS = Transition(
    "apply_dispositions",
    since=(*Status.waiting(), Status.COMPLETED, Status.FAILED),
    to=Status.REVIEW,
    evidence="the disposition of its last call leaves it to an operator",
    sets=("reason", "due_at", "unreported_at"),
)
PLAN_CALLBACK = Transition(
    "schedule_callback",
    since=(*Status.waiting(), *Status.final(), Status.REVIEW),
    to=Status.RETRYING,
    evidence="the callee is to be called at a time of its own, after attempts that count",
    sets=("reason", "due_at", "callback_at", "unreported_at"),
)
PLAN_FIRST_CALLBACK = Transition(
    "schedule_callback",
    since=(*Status.waiting(), *Status.final(), Status.REVIEW),
    to=Status.PENDING,
    evidence="the callee is to be called at a time of its own, before any attempt that counts",
    sets=("reason", "due_at", "callback_at", "unreported_at"),
)
CANCEL_CALLBACK = Transition(
    "cancel_callback",
    since=(Status.RETRYING,),
    to=Status.CANCELLED,
    evidence="the callback it waited for was cancelled",
    sets=("reason", "due_at", "callback_at", "unreported_at"),
)
RELEASE_FIRST = Transition(
    "release_recipient",
    since=(Status.REVIEW,),
    to=Status.PENDING,
    evidence="an operator, before any attempt that counts",
    sets=("reason", "outcome", "due_at"),
)
RELEASE = Transition(
    "release_recipient",
    since=(Status.REVIEW,),
    to=Status.RETRYING,
    evidence="an operator, after attempts that count",
    sets=("reason", "outcome", "due_at"),
)
CLOSE = Transition(
    "close_recipient",
    since=(Status.REVIEW,),
    to=Status.FAILED,
    evidence="an operator",
    sets=("reason", "due_at", "unreported_at"),
)
REQUEUE_FIRST = Transition(
    "requeue_postponed",
    since=(Status.SKIPPED, Status.REVIEW),
    to=Status.PENDING,
    evidence="the rules that never allowed a call have changed, before any attempt that counts",
    sets=("reason", "due_at", "unreported_at"),
)
REQUEUE = Transition(
    "requeue_postponed",
    since=(Status.SKIPPED, Status.REVIEW),
    to=Status.RETRYING,
    evidence="the rules that never allowed a call have changed, after attempts that count",
    sets=("reason", "due_at", "unreported_at"),
)
SKIP_INCOMPLETE = Transition(
    "validate_variables",
    since=(Status.PENDING,),
    to=Status.SKIPPED,
    evidence="the agent or mapping has changed, and a required variable is missing",
    sets=("reason", "due_at", "unreported_at"),
)
RESTORE_COMPLETE = Transition(
    "validate_variables",
    since=(Status.SKIPPED,),
    to=Status.PENDING,
    evidence="the agent or mapping has changed, and no required variable is missing",
    sets=("reason", "due_at", "unreported_at"),
)
ERASE_WAITING = Transition(
    "erase_recipients",
    since=Status.waiting(),
    to=Status.SKIPPED,
    evidence="the callee's data is erased",
    sets=("reason", "unreported_at"),
)
ERASE_IN_REVIEW = Transition(
    "erase_recipients",
    since=(Status.REVIEW,),
    to=Status.CANCELLED,
    evidence="the callee's data is erased",
    sets=("reason", "unreported_at"),
)

SETTLEMENTS = (
    COMPLETE_RECIPIENT,
    RETRY,
    NEXT_NUMBER,
    RETURN_TO_QUEUE,
    FAIL,
    SKIP,
    CANCEL,
    PUT_IN_REVIEW,
)
RECIPIENT_TRANSITIONS = (
    RESERVE,
    SKIP_CLOSED,
    REVIEW_ZONE,
    ENTER_CALL,
    *SETTLEMENTS,
    CANCEL_WAITING,
    FINISH_AFTERWARDS,
    RETRY_AFTERWARDS,
    REVIEW_AFTERWARDS,
    PLAN_CALLBACK,
    PLAN_FIRST_CALLBACK,
    CANCEL_CALLBACK,
    RELEASE_FIRST,
    RELEASE,
    CLOSE,
    REQUEUE_FIRST,
    REQUEUE,
    SKIP_INCOMPLETE,
    RESTORE_COMPLETE,
    ERASE_WAITING,
    ERASE_IN_REVIEW,
)


def transition_table() -> list[str]:
    """Return the transitions of a recipient as the rows of a Markdown table, its header first."""
    return transition_rows(RECIPIENT_TRANSITIONS)
