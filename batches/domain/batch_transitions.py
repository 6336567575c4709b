"""Every way in which a batch may move from one state to another, as data.

A batch is created `validating`. Each transition is one `UPDATE … WHERE status IN (…)`, or a change
under the row's lock: of two at once, one wins and the other is refused or changes nothing.
"""

from typing import Any

from batches.models import Batch
from voiceops.core.transitions import Transition, transition_rows

Status = Batch.Status
# What the circuit breaker, a spent budget and a failed start leave on a batch; an operator's order
# clears it.
CLEAR_TROUBLE: dict[str, Any] = {
    "error": None,
    "provider_failures": 0,
    "probe_at": None,
    "probe_call_id": None,
    "budget_spent_at": None,
}
TROUBLE = tuple(CLEAR_TROUBLE)

FINISH_IMPORT = Transition(
    "finish",
    since=(Status.VALIDATING,),
    to=Status.READY,
    evidence="the uploaded list has been read",
)
FAIL_IMPORT = Transition(
    "fail",
    since=(Status.VALIDATING,),
    to=Status.FAILED,
    evidence="the uploaded list cannot be read",
    sets=("ended_at",),
)
SCHEDULE = Transition(
    "apply_start_mode",
    since=Status.waiting(),
    to=Status.SCHEDULED,
    evidence="`start` is `scheduled`",
)
WAIT_FOR_ORDER = Transition(
    "apply_start_mode",
    since=Status.waiting(),
    to=Status.READY,
    evidence="`start` is `manual`",
)
START = Transition(
    "start_batch",
    since=Status.waiting(),
    to=Status.RUNNING,
    evidence="an operator, `start` is `now`, or the scheduled time has come",
    sets=("started_at", *TROUBLE),
)
# Paused and not failed: once the number is repaired, an operator resumes the batch as it is.
REFUSE_START = Transition(
    "start_or_pause",
    since=Status.waiting(),
    to=Status.PAUSED,
    evidence="a start without an operator was refused, for example by an inactive number",
    sets=("error",),
)
PAUSE = Transition(
    "pause_batch",
    since=(Status.RUNNING,),
    to=Status.PAUSED,
    evidence="an operator",
    sets=TROUBLE,
)
# The state stays, but the probes must end: the next one to succeed would resume the batch against
# the operator's order.
STOP_PROBING = Transition(
    "pause_batch",
    since=(Status.PAUSED,),
    to=Status.PAUSED,
    evidence="an operator pauses a batch that had paused itself",
    sets=TROUBLE,
)
# Sets `started_at`, because a batch whose start was refused has paused without ever starting.
RESUME = Transition(
    "resume_batch",
    since=(Status.PAUSED,),
    to=Status.RUNNING,
    evidence="an operator, or a budget that is raised",
    sets=("started_at", *TROUBLE),
)
OPEN_BREAKER = Transition(
    "open_breaker",
    since=(Status.RUNNING,),
    to=Status.PAUSED,
    evidence="provider failures in a row, a refused trunk, or trouble of the batch's number",
    sets=("error", "probe_at", "probe_call_id"),
)
# From `paused`, too: a batch that has paused itself goes on with one call at a time.
SPEND_BUDGET = Transition(
    "pause_at_budget",
    since=Status.started(),
    to=Status.PAUSED,
    evidence="its calls have cost as much as its budget",
    sets=("error", "budget_spent_at", "probe_at", "probe_call_id"),
)
CLOSE_BREAKER = Transition(
    "close_breaker",
    since=(Status.PAUSED,),
    to=Status.RUNNING,
    evidence="a call of a batch that had paused itself, or of its number, reached its callee",
    sets=TROUBLE,
)
STOP = Transition(
    "stop_batch",
    since=Status.stoppable(),
    to=Status.STOPPED,
    evidence="an operator",
    sets=("ended_at", *TROUBLE),
)
# From `paused` too: its last calls may well end after the pause.
COMPLETE_BATCH = Transition(
    "complete_batches",
    since=Status.started(),
    to=Status.COMPLETED,
    evidence="no recipient is left to call and no list is being read",
    sets=("ended_at", *TROUBLE),
)
REOPEN = Transition(
    "after_import",
    since=(Status.COMPLETED,),
    to=Status.READY,
    evidence="appended rows have added recipients",
    sets=("ended_at",),
)
RESTART = Transition(
    "release_recipient",
    since=(Status.COMPLETED,),
    to=Status.RUNNING,
    evidence="an operator releases a recipient in review",
    sets=("ended_at",),
)

RESTART_AFTERWARDS = Transition(
    "apply_dispositions",
    since=(Status.COMPLETED,),
    to=Status.RUNNING,
    evidence="the disposition of a call that has ended asks for another",
    sets=("ended_at",),
)
RESTART_FOR_CALLBACK = Transition(
    "schedule_callback",
    since=(Status.COMPLETED,),
    to=Status.RUNNING,
    evidence="one of its recipients is to be called at a time of its own",
    sets=("ended_at",),
)

BATCH_TRANSITIONS = (
    FINISH_IMPORT,
    FAIL_IMPORT,
    SCHEDULE,
    WAIT_FOR_ORDER,
    START,
    REFUSE_START,
    PAUSE,
    STOP_PROBING,
    RESUME,
    OPEN_BREAKER,
    SPEND_BUDGET,
    CLOSE_BREAKER,
    STOP,
    COMPLETE_BATCH,
    REOPEN,
    RESTART,
    RESTART_AFTERWARDS,
    RESTART_FOR_CALLBACK,
)


def transition_table() -> list[str]:
    """Return the transitions of a batch as the rows of a Markdown table, its header first."""
    return transition_rows(BATCH_TRANSITIONS)
