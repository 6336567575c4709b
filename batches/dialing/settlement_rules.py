"""What an ended call does to its recipient: pure functions over facts, without the database.

`decide` reads top-down, and the first case that applies wins. Reason and outcome explain the new
state, whichever it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from batches.dialing.retry_policy import MAX_RETRY_ATTEMPTS, retry_at
from batches.domain import recipient_transitions as transitions
from batches.models.recipients import RecipientStatus
from telephony.domain.dial_verdicts import BY_REASON, IN_DOUBT, Blame, Verdict
from telephony.models import Outcome
from voiceops.core.transitions import Transition

# Refusals of the last checks before a dial. Those of a rule that passes by itself are waited for.
ADMISSION_REFUSALS = frozenset(
    {
        "suppressed",
        "window_closed",
        "daily_cap",
        "weekly_cap",
        "monthly_cap",
        "rest_after_answer",
        "rest_after_refusal",
        "min_gap",
        "variables_too_long",
    }
)
TEMPORARY_REFUSALS = frozenset({"window_closed", "min_gap"})
DISPOSITION = "disposition"
WINDOW_CHECK_INTERVAL = timedelta(seconds=60)

# INVITEs that failed at the trunk or carrier; after so many the recipient fails.
MAX_UNCOUNTED_SENDS = 10
# When an attempt that cost nothing is repeated, by how many there have been.
UNCOUNTED_RETRY_SECONDS = (1, 2, 5, 15, 60, 300)


@dataclass(frozen=True)
class CallFacts:
    """An ended call."""

    outcome: str | None
    end_reason: str | None
    counts: bool  # whether the attempt is the callee's
    was_sent: bool  # whether an INVITE left
    was_hung_up: bool  # by an operator or the agent, not by the dialer
    gap_ends_at: datetime | None = None  # of a call refused for `min_gap`
    consequence: Mapping[str, Any] | None = None  # of the call's disposition (agents/dispositions)

    @property
    def verdict(self) -> Verdict | None:
        """The table's verdict on the call's end reason, if it has one."""
        return BY_REASON.get(self.end_reason or "")

    @property
    def was_answered(self) -> bool:
        """Whether a human or a machine answered."""
        return self.outcome in (Outcome.ANSWERED, Outcome.VOICEMAIL)

    @property
    def was_picked_up(self) -> bool:
        """Whether the call was answered, if only by a call screener that put nobody through."""
        return self.was_answered or self.outcome == Outcome.SCREENED

    @property
    def may_be_uncounted(self) -> bool:
        """Whether the call may have cost the recipient nothing."""
        return not self.was_picked_up and not (self.counts and self.verdict is not None)


@dataclass(frozen=True)
class RecipientFacts:
    """A recipient before its call is settled."""

    attempts: int  # those that count
    outcome: str | None
    uncounted_sends: int = 0  # sent calls that cost nothing, the ended one included


@dataclass(frozen=True)
class BatchFacts:
    """A batch at the time of the settlement."""

    retry: Mapping[str, Any]
    is_stopped: bool


@dataclass(frozen=True)
class RecipientChange:
    """What the settlement writes. `due_at` is set exactly when another call is planned."""

    transition: Transition[RecipientStatus]
    reason: str | None
    outcome: str | None
    attempts: int
    due_at: datetime | None = None


def decide(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, *, now: datetime
) -> RecipientChange:
    """Return what an ended call does to its recipient."""
    if call.end_reason in ADMISSION_REFUSALS:
        return _after_refusal(call, recipient, batch, now)
    if call.verdict is IN_DOUBT:
        return RecipientChange(
            transitions.PUT_IN_REVIEW, IN_DOUBT.reason, call.outcome, recipient.attempts
        )
    if call.consequence is not None and call.was_picked_up:
        return _after_disposition(call, call.consequence, recipient, batch, now)
    if call.was_answered:
        return _after_answer(call, recipient, batch, now)
    if call.outcome == Outcome.SCREENED:
        return _after_attempt(replace(call, end_reason="screened"), recipient, batch, now)
    if call.outcome == Outcome.CANCELLED and call.was_hung_up:
        # The callee's phone may have rung, so it is an attempt if the INVITE left.
        attempts = recipient.attempts + call.was_sent
        return RecipientChange(transitions.CANCEL, call.end_reason, call.outcome, attempts)
    if call.may_be_uncounted:
        return _after_uncounted(call, recipient, batch, now)
    return _after_attempt(call, recipient, batch, now)


def _after_refusal(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, now: datetime
) -> RecipientChange:
    """The last checks refused the call: wait until they may pass, or skip the recipient."""
    if call.end_reason not in TEMPORARY_REFUSALS or batch.is_stopped:
        return RecipientChange(
            transitions.SKIP, call.end_reason, recipient.outcome, recipient.attempts
        )
    # A closed window is checked again soon; the claim then finds when it opens.
    due_at = call.gap_ends_at or now + WINDOW_CHECK_INTERVAL
    return _repeat(recipient, reason=call.end_reason, outcome=recipient.outcome, due_at=due_at)


def _after_answer(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, now: datetime
) -> RecipientChange:
    """The callee was reached; after an answering machine the batch may call again."""
    if _next_attempt_at(call, recipient, batch, now) is not None:
        return _after_attempt(call, recipient, batch, now)
    return RecipientChange(
        transitions.COMPLETE_RECIPIENT, None, call.outcome, recipient.attempts + 1
    )


def _after_disposition(
    call: CallFacts,
    consequence: Mapping[str, Any],
    recipient: RecipientFacts,
    batch: BatchFacts,
    now: datetime,
) -> RecipientChange:
    """What the agent's disposition orders comes before the batch's retries.

    A suppression and a rest are made elsewhere (`batches/services/dispositions.py`).
    """
    attempts = recipient.attempts + 1
    if consequence["type"] == "review":
        return RecipientChange(transitions.PUT_IN_REVIEW, DISPOSITION, call.outcome, attempts)
    if consequence["type"] in ("retry", "callback") and attempts < MAX_RETRY_ATTEMPTS:
        if batch.is_stopped:
            return RecipientChange(transitions.CANCEL, DISPOSITION, call.outcome, attempts)
        due_at = now + timedelta(minutes=consequence["delay_minutes"])
        return RecipientChange(transitions.RETRY, DISPOSITION, call.outcome, attempts, due_at)
    return RecipientChange(transitions.COMPLETE_RECIPIENT, None, call.outcome, attempts)


def _after_attempt(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, now: datetime
) -> RecipientChange:
    """An attempt that counts: plan the retry, or fail the recipient when there is none."""
    attempts = recipient.attempts + 1
    due_at = _next_attempt_at(call, recipient, batch, now)
    if due_at is None:
        return RecipientChange(transitions.FAIL, call.end_reason, call.outcome, attempts)
    if batch.is_stopped:
        return RecipientChange(transitions.CANCEL, call.end_reason, call.outcome, attempts)
    return RecipientChange(transitions.RETRY, call.end_reason, call.outcome, attempts, due_at)


def _after_uncounted(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, now: datetime
) -> RecipientChange:
    """Never sent, or trouble of trunk, carrier or platform: repeat it, up to a limit of INVITEs."""
    outcome = call.outcome if call.was_sent else recipient.outcome
    if batch.is_stopped:
        return RecipientChange(transitions.CANCEL, "batch_stopped", outcome, recipient.attempts)
    if recipient.uncounted_sends >= MAX_UNCOUNTED_SENDS:
        return RecipientChange(transitions.FAIL, call.end_reason, outcome, recipient.attempts)

    # A refusal by our own checks is not a failure: repeat the call at once, without a reason.
    if call.verdict is None or call.verdict.blame is Blame.PLATFORM_POLICY:
        reason = None
        delay_seconds = 0
    else:
        reason = call.end_reason
        # What was never sent waits no longer than after a first refusal.
        sends = min(max(recipient.uncounted_sends, 1), len(UNCOUNTED_RETRY_SECONDS))
        delay_seconds = UNCOUNTED_RETRY_SECONDS[sends - 1]
    due_at = now + timedelta(seconds=delay_seconds)
    return _repeat(recipient, reason=reason, outcome=outcome, due_at=due_at)


def _next_attempt_at(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, now: datetime
) -> datetime | None:
    return retry_at(
        retry=batch.retry,
        attempts=recipient.attempts + 1,
        outcome=call.outcome or "",
        now=now,
    )


def _repeat(
    recipient: RecipientFacts, *, reason: str | None, outcome: str | None, due_at: datetime
) -> RecipientChange:
    """Plan a call without counting the one that ended."""
    back = transitions.RETRY if recipient.attempts else transitions.RETURN_TO_QUEUE
    return RecipientChange(back, reason, outcome, recipient.attempts, due_at)
