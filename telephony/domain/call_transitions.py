"""Every way in which a call may move from one stage to another, as data.

A call is created `reserved` (outbound) or `ringing` (inbound, or a test call in a browser). From
there it moves only along these transitions. Each is one `UPDATE … WHERE stage IN (…)`: no row
changed means that the call had moved already. The verbs that use them are in `call_states` and in
`telephony.dialing`; `transition_table` prints them for the documentation.
"""

from functools import lru_cache
from typing import Any

from django.db.models import Q, QuerySet, UUIDField

from telephony.models import Call, Stage, mark_for_recount
from voiceops.core.transitions import Transition, transition_rows
from voiceops.db.compiled_writes import CompiledUpdate


class CallTransition(Transition[Stage]):
    """A move of a call."""

    state_column = "stage"

    def move(
        self,
        call: Call,
        *,
        since: tuple[Stage, ...] | None = None,
        given: Q | None = None,
        **changes: Any,
    ) -> bool:
        """Compare and set one call; True only for the caller that made the change.

        `since` narrows the stages that it may leave, `given` adds a condition on the row. The
        object takes over what was written. Raises ValueError for a stage or column that the
        transition does not name.
        """
        stages = self.since if since is None else since
        if beyond := set(stages) - set(self.since):
            raise ValueError(f"{self.verb} does not leave {sorted(beyond)}")
        columns = self.columns(**changes)
        if not _compile_move(stages, tuple(columns), given).run(pk=call.pk, **columns):
            return False
        for column, value in columns.items():
            setattr(call, column, value)
        return True


# Conditions hold values, so that there may be any number of them.
@lru_cache(maxsize=256)
def _compile_move(
    stages: tuple[Stage, ...], columns: tuple[str, ...], given: Q | None
) -> CompiledUpdate:
    """Return the statement that writes these columns of a call in one of the stages."""

    def build(pk: Any, **values: Any) -> tuple[QuerySet[Call], dict[str, Any]]:
        rows = Call.unscoped.filter(given or Q(), pk=pk, stage__in=stages)
        return rows, {**values, **mark_for_recount(values)}

    fields = {field.name: field for field in Call._meta.concrete_fields if field.name in columns}
    return CompiledUpdate(build, pk=UUIDField(), **fields)


COMMIT_INTENT = CallTransition(
    "commit_intents",
    since=(Stage.RESERVED,),
    to=Stage.INTENT,
    evidence="the dialer has a slot and every last check allows the call",
    sets=("intent_at", "not_after", "lease_expires_at"),
)
# Only the dispatcher that wrote the intent may do this: nobody else knows that nothing was sent.
PUT_BACK = CallTransition(
    "put_back",
    since=(Stage.INTENT,),
    to=Stage.RESERVED,
    evidence="the dialer was too late to send the intent",
    sets=("intent_at", "not_after"),
)
# Never back to `reserved`: the first request may still ring a phone that a second one would ring
# again.
LEAVE_IN_DOUBT = CallTransition(
    "leave_in_doubt",
    since=(Stage.INTENT,),
    to=Stage.UNKNOWN,
    evidence="the dial's answer is lost or ambiguous, or the dispatcher that awaits it is gone",
    sets=("lease_expires_at",),
)
# From `unknown` too: a callee in the room is the very evidence that reconciliation looks for.
CALLEE_JOINED = CallTransition(
    "mark_callee_joined",
    since=Stage.before_callee(),
    to=Stage.DIALING,
    evidence="a webhook, the agent or a poll has the callee in the room",
    sets=("callee_joined_at", "dialed_at", "heard_at"),
)
# No webhook reports it: it is an attribute of the leg, which only the agent or a poll can read.
RINGING = CallTransition(
    "mark_ringing",
    since=Stage.before_ringing(),
    to=Stage.RINGING,
    evidence="the agent or a poll reads it from the callee's leg",
    sets=("ringing_at", "dialed_at", "heard_at"),
)
# Sets `dialed_at` as well, because the answer may overtake the report that the callee was dialled.
ANSWERED = CallTransition(
    "mark_answered",
    since=Stage.before_answer(),
    to=Stage.IN_PROGRESS,
    evidence="the dial's answer, the agent or a poll; a webhook for a browser",
    sets=(
        "answered_at",
        "dialed_at",
        "heard_at",
        "sip_call_id",
        "sip_status_code",
        "sip_status",
    ),
)
HUNG_UP = CallTransition(
    "mark_hung_up",
    since=(Stage.IN_PROGRESS,),
    to=Stage.ENDED,
    evidence="the agent, a webhook, a poll or an operator",
    sets=("outcome", "end_reason", "hung_up_by", "ended_at", "heard_at", "room_delete_at"),
)
# From `reserved` too, for the calls that a last check refuses before they have an intent.
FAILED = CallTransition(
    "mark_failed",
    since=Stage.unanswered(),
    to=Stage.ENDED,
    evidence="the dial's answer, a last check, the reconciler or the sweep, with a verdict",
    sets=(
        "outcome",
        "end_reason",
        "counts",
        "dialed_at",
        "ended_at",
        "heard_at",
        "room_delete_at",
        "provider_code",
        "sip_status_code",
        "sip_status",
    ),
)
CANCELLED = CallTransition(
    "mark_cancelled",
    since=Stage.unanswered(),
    to=Stage.ENDED,
    evidence="an operator or the agent hangs up before the answer",
    sets=("outcome", "end_reason", "hung_up_by", "ended_at", "heard_at", "room_delete_at"),
)

CALL_TRANSITIONS = (
    COMMIT_INTENT,
    PUT_BACK,
    LEAVE_IN_DOUBT,
    CALLEE_JOINED,
    RINGING,
    ANSWERED,
    HUNG_UP,
    FAILED,
    CANCELLED,
)


def transition_table() -> list[str]:
    """Return the transitions of a call as the rows of a Markdown table, its header first."""
    return transition_rows(CALL_TRANSITIONS)
