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
from telephony.domain.dial_verdicts import (
    BY_REASON,
    CARRIER_SILENT,
    IN_DOUBT,
    INVALID,
    Blame,
    Verdict,
)
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

# The number backs off after them (`batches/dialing/circuit_breaker.py`).
CAPACITY_REASONS = frozenset({"carrier_limit", "livekit_limit", "carrier_unavailable"})
# INVITEs that failed at the trunk or carrier; after so many the recipient fails.
MAX_UNCOUNTED_SENDS = 10
# Calls that never rang and cost nothing, before they are the callee's. The first may be a lost
# packet and the second a bad route. A third one, while the carrier connects others on the same
# number, is a phone or a network that does not answer, and each takes half a minute of the line.
FREE_SILENT_SENDS = 2
# When an attempt that cost nothing is repeated, by how many there have been. A carrier that was out
# of channels has some again within seconds, and a platform that failed works again; if not within
# a minute, it is something else.
QUICK_RETRY_SECONDS = (1, 3, 10, 60, 300, 900, 1800, 3600, 3600)
# A carrier that fails for one destination does so for a while, and is asked ever less often: five
# calls in the first quarter of an hour, ten in seven hours.
CARRIER_RETRY_SECONDS = (2, 30, 120, 600, 1800, 3600, 3600, 7200, 7200)
# While batch or number are in trouble, only probes are sent. One that waits for a recipient would
# find out too late that the carrier works again.
MAX_RETRY_SECONDS_IN_TROUBLE = 60


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

    @property
    def is_silent(self) -> bool:
        """Whether the carrier did not react to a call that cost nothing."""
        return self.end_reason == CARRIER_SILENT.reason and not self.counts


@dataclass(frozen=True)
class RecipientFacts:
    """A recipient before its call is settled."""

    attempts: int  # those that count
    outcome: str | None
    uncounted_sends: int = 0  # sent calls that cost nothing, the ended one included
    silent_sends: int = 0  # those to which the carrier did not react
    number_position: int = 0  # of the number that was called
    next_position: int | None = None  # of the next number that may be tried


@dataclass(frozen=True)
class BatchFacts:
    """A batch at the time of the settlement."""

    retry: Mapping[str, Any]
    is_stopped: bool
    is_in_trouble: bool = False  # paused by its breaker, or its number's


@dataclass(frozen=True)
class RecipientChange:
    """What the settlement writes. `due_at` is set exactly when another call is planned."""

    transition: Transition[RecipientStatus]
    reason: str | None
    outcome: str | None
    attempts: int
    due_at: datetime | None = None
    number_position: int | None = None  # where it changes
    callback_at: datetime | None = None


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


def may_be_the_callees(call: CallFacts, recipient: RecipientFacts, batch: BatchFacts) -> bool:
    """Return whether a silent call counts as the callee's, if the carrier connects others."""
    is_exhausted = recipient.silent_sends > FREE_SILENT_SENDS
    return call.is_silent and is_exhausted and not batch.is_in_trouble


def _after_refusal(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, now: datetime
) -> RecipientChange:
    """The last checks refused the call: wait until they may pass, or skip the recipient.

    Who asked not to be called at the first number is not called at another. A further number that
    is suppressed is passed over.
    """
    is_further = recipient.number_position > 0 and recipient.next_position is not None
    if call.end_reason == "suppressed" and is_further and not batch.is_stopped:
        return _try_next_number(recipient, recipient.outcome, recipient.attempts, now)
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

    A suppression, a rest and a callback are made elsewhere (`batches/services/dispositions.py`).
    """
    attempts = recipient.attempts + 1
    if consequence["type"] == "review":
        return RecipientChange(transitions.PUT_IN_REVIEW, DISPOSITION, call.outcome, attempts)
    if consequence["type"] == "retry" and attempts < MAX_RETRY_ATTEMPTS:
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
    is_wrong_number = call.outcome == Outcome.INVALID_NUMBER
    if is_wrong_number and recipient.next_position is not None and not batch.is_stopped:
        return _try_next_number(recipient, call.outcome, attempts, now)
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
    # A carrier in trouble is not held against the recipient.
    if recipient.uncounted_sends >= MAX_UNCOUNTED_SENDS and not batch.is_in_trouble:
        return RecipientChange(transitions.FAIL, call.end_reason, outcome, recipient.attempts)

    # A refusal by our own checks is not a failure: repeat the call at once, without a reason.
    if call.verdict is None or call.verdict.blame is Blame.PLATFORM_POLICY:
        reason = None
        delay_seconds = 0
    else:
        reason = call.end_reason
        delay_seconds = _uncounted_retry_seconds(call, recipient, batch)
    due_at = now + timedelta(seconds=delay_seconds)
    return _repeat(recipient, reason=reason, outcome=outcome, due_at=due_at)


def _uncounted_retry_seconds(call: CallFacts, recipient: RecipientFacts, batch: BatchFacts) -> int:
    """Return how long to wait after trouble of trunk, carrier or platform."""
    verdict = call.verdict
    is_carriers = verdict is not None and verdict.blame is Blame.CARRIER
    is_slow = is_carriers and call.end_reason not in CAPACITY_REASONS
    delays = CARRIER_RETRY_SECONDS if is_slow else QUICK_RETRY_SECONDS
    # What was never sent waits no longer than after a first refusal.
    sends = min(max(recipient.uncounted_sends, 1), len(delays)) if call.was_sent else 1
    seconds = delays[sends - 1]
    return min(seconds, MAX_RETRY_SECONDS_IN_TROUBLE) if batch.is_in_trouble else seconds


def _try_next_number(
    recipient: RecipientFacts, outcome: str | None, attempts: int, now: datetime
) -> RecipientChange:
    """Call the recipient at once at the next number, with attempts of its own."""
    return RecipientChange(
        transitions.NEXT_NUMBER,
        INVALID.reason,
        outcome,
        attempts,
        now,
        number_position=recipient.next_position,
    )


def _next_attempt_at(
    call: CallFacts, recipient: RecipientFacts, batch: BatchFacts, now: datetime
) -> datetime | None:
    return retry_at(
        retry=batch.retry,
        # The attempts that found the numbers before to be wrong do not count against this one.
        attempts=max(recipient.attempts + 1 - recipient.number_position, 1),
        outcome=call.outcome or "",
        now=now,
    )


def _repeat(
    recipient: RecipientFacts, *, reason: str | None, outcome: str | None, due_at: datetime
) -> RecipientChange:
    """Plan a call without counting the one that ended."""
    back = transitions.RETRY if recipient.attempts else transitions.RETURN_TO_QUEUE
    return RecipientChange(back, reason, outcome, recipient.attempts, due_at)
