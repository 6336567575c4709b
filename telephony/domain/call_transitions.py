"""Every way in which a call may move from one stage to another, as data.

A call is created `reserved` (outbound) or `ringing` (inbound, or a test call in a browser). From
there it moves only along these transitions. Each is one `UPDATE … WHERE stage IN (…)`: no row
changed means that the call had moved already. The verbs that use them are in `call_states` and in
`telephony.dialing`; `transition_table` prints them for the documentation.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from telephony.models import Call, Stage


@dataclass(frozen=True)
class Transition:
    """A move of a call. `sets` names every column that it may write beside `stage`."""

    verb: str
    since: tuple[Stage, ...]
    to: Stage
    evidence: str
    sets: tuple[str, ...]

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
        self._require_known(changes)
        rows = Call.unscoped.filter(given or Q(), pk=call.pk, stage__in=stages)
        if not rows.update(stage=self.to, **changes):
            return False
        call.stage = self.to
        for column, value in changes.items():
            setattr(call, column, value)
        return True

    def move_all(self, calls: QuerySet[Call], **changes: Any) -> int:
        """Compare and set many calls; returns how many were moved.

        Raises ValueError for a column that the transition does not name.
        """
        self._require_known(changes)
        return calls.filter(stage__in=self.since).update(stage=self.to, **changes)

    def _require_known(self, changes: dict[str, Any]) -> None:
        if unknown := changes.keys() - set(self.sets):
            raise ValueError(f"{self.verb} does not set {sorted(unknown)}")


COMMIT_INTENT = Transition(
    "commit_intents",
    since=(Stage.RESERVED,),
    to=Stage.INTENT,
    evidence="the dialer has a slot and every last check allows the call",
    sets=("intent_at", "not_after", "lease_expires_at"),
)
PUT_BACK = Transition(
    "put_back",
    since=(Stage.INTENT,),
    to=Stage.RESERVED,
    evidence="the dialer was too late to send the intent",
    sets=("intent_at", "not_after"),
)
LEAVE_IN_DOUBT = Transition(
    "leave_in_doubt",
    since=(Stage.INTENT,),
    to=Stage.UNKNOWN,
    evidence="the dial's answer is lost or ambiguous, or the dispatcher that awaits it is gone",
    sets=("lease_expires_at",),
)
CALLEE_JOINED = Transition(
    "mark_callee_joined",
    since=Stage.before_callee(),
    to=Stage.DIALING,
    evidence="a webhook, the agent or a poll has the callee in the room",
    sets=("callee_joined_at", "dialed_at", "heard_at"),
)
RINGING = Transition(
    "mark_ringing",
    since=Stage.before_ringing(),
    to=Stage.RINGING,
    evidence="the agent or a poll reads it from the callee's leg",
    sets=("ringing_at", "dialed_at", "heard_at"),
)
ANSWERED = Transition(
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
HUNG_UP = Transition(
    "mark_hung_up",
    since=(Stage.IN_PROGRESS,),
    to=Stage.ENDED,
    evidence="the agent, a webhook, a poll or an operator",
    sets=("outcome", "end_reason", "hung_up_by", "ended_at", "heard_at"),
)
FAILED = Transition(
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
        "provider_code",
        "sip_status_code",
        "sip_status",
    ),
)
CANCELLED = Transition(
    "mark_cancelled",
    since=Stage.unanswered(),
    to=Stage.ENDED,
    evidence="an operator or the agent hangs up before the answer",
    sets=("outcome", "end_reason", "hung_up_by", "ended_at", "heard_at"),
)

TRANSITIONS = (
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
    """Return the transitions as the rows of a Markdown table, its header first."""
    rows = ["| from | to | by | evidence | sets |", "|---|---|---|---|---|"]
    for transition in TRANSITIONS:
        since = ", ".join(f"`{stage.value}`" for stage in transition.since)
        columns = ", ".join(f"`{column}`" for column in transition.sets)
        rows.append(
            f"| {since} | `{transition.to.value}` | `{transition.verb}` "
            f"| {transition.evidence} | {columns} |"
        )
    return rows
