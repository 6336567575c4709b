"""Back-off and circuit breakers, for failures that are not the callees'.

A number backs off while its carrier is out of channels: half a second first, then twice as long
each time up to five seconds, until the carrier accepts a call.

A number is in trouble after 20 provider failures in a row, in whichever of its batches they happen,
or at once when its trunk is gone or its credentials are refused. Then all its batches pause with
the cause, one call of one of them at a time probes, and the first that reaches its callee resumes
them all. A batch that fails 20 times in a row while others on its number succeed pauses alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from batches.dialing.settlement_rules import CAPACITY_REASONS
from batches.domain.batch_transitions import CLEAR_TROUBLE, CLOSE_BREAKER, OPEN_BREAKER
from batches.models import Batch
from telephony.domain.dial_verdicts import BY_REASON, Blame, Verdict
from telephony.models import Call, NumberPace, Stage
from voiceops.core.clock import database_now

MAX_FAILURES_IN_A_ROW = 20
PROBE_INTERVAL = timedelta(seconds=5)
MIN_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 5.0
PROVIDER_BLAMES = (Blame.CARRIER, Blame.TRUNK, Blame.PLATFORM)
PACE_FIELDS = (
    "backoff_seconds",
    "backoff_until",
    "provider_failures",
    "failing_since",
    "trouble",
    "probe_at",
    "probe_call_id",
)


@dataclass
class BreakerChanges:
    """What a chunk of calls changed in the breakers of its numbers."""

    changed: list[NumberPace] = field(default_factory=list)  # in trouble, or no longer
    # Calls that reached their callee before the failures began: they prove nothing now.
    stale: set[UUID] = field(default_factory=set)


def verdict_of(call: Call) -> Verdict | None:
    """Return the verdict on the call's end reason, if it has one."""
    return BY_REASON.get(call.end_reason or "")


def reached_callee(call: Call) -> bool:
    """Return whether the carrier connected the call as far as the callee, answered or not."""
    verdict = verdict_of(call)
    return call.answered_at is not None or (verdict is not None and verdict.blame is Blame.CALLEE)


def is_provider_failure(call: Call) -> bool:
    """Return whether trunk, carrier or platform failed before the callee was reached."""
    verdict = verdict_of(call)
    return not reached_callee(call) and verdict is not None and verdict.blame in PROVIDER_BLAMES


def update_number_breakers(calls: Sequence[Call], now: datetime) -> BreakerChanges:
    """Update back-off and breakers of the calls' numbers from their ended calls.

    Locks the numbers' pace rows, which must happen before any batch is locked.
    """
    changes = BreakerChanges()
    number_ids = {call.number_id for call in calls if _concerns_number(call)}
    call_ids = {call.pk for call in calls}
    concerned = Q(number__in=number_ids) | Q(probe_call_id__in=call_ids)
    # In one order everywhere, or two workers with the same two numbers would deadlock.
    paces = NumberPace.unscoped.select_for_update().filter(concerned).order_by("number_id")
    for pace in paces:
        before = _breaker_state(pace)
        calls_of_number = [call for call in calls if call.number_id == pace.number_id]
        update_backoff(pace, calls_of_number, now)
        concerns_batches = [
            update_number_breaker(pace, call, now, changes) for call in calls_of_number
        ]
        if any(concerns_batches):
            changes.changed.append(pace)
        if _breaker_state(pace) != before:
            pace.save(update_fields=PACE_FIELDS)
    return changes


def update_backoff(pace: NumberPace, calls: Sequence[Call], now: datetime) -> None:
    """Lengthen the number's back-off by refusals for capacity; end it when a call got through."""
    for call in calls:
        if reached_callee(call):
            pace.backoff_seconds = 0.0
        elif call.end_reason in CAPACITY_REASONS and _was_sent_since_backoff(pace, call):
            doubled = max(MIN_BACKOFF_SECONDS, pace.backoff_seconds * 2)
            pace.backoff_seconds = min(MAX_BACKOFF_SECONDS, doubled)
            pace.backoff_until = now + timedelta(seconds=pace.backoff_seconds)
    if pace.backoff_seconds == 0.0:
        pace.backoff_until = None


def update_number_breaker(
    pace: NumberPace, call: Call, now: datetime, changes: BreakerChanges
) -> bool:
    """Update the number's breaker from one call; returns whether its batches must be updated: it is
    in trouble, still or since now, or no longer.
    """
    if reached_callee(call):
        return _close_number_breaker(pace, call, changes)
    if pace.probe_call_id == call.pk:
        pace.probe_at = now + PROBE_INTERVAL
        pace.probe_call_id = None
    if not is_provider_failure(call):
        return False

    verdict = BY_REASON[call.end_reason or ""]
    pace.provider_failures += 1
    pace.failing_since = pace.failing_since or call.ended_at
    if pace.trouble is None:
        # A few failures in a row are normal.
        if not _opens_breaker(verdict, pace.provider_failures):
            return False
        pace.probe_at = now + PROBE_INTERVAL
    pace.trouble = describe(call, verdict, pace.provider_failures)
    return True


def update_batch_breakers(
    batches: Mapping[Any, Batch],
    calls: Iterable[Call],
    now: datetime,
    number_changes: BreakerChanges,
) -> None:
    """Update the breakers of the calls' batches, then apply what changed at their numbers.

    The caller has locked the batches.
    """
    changed: dict[Any, Batch] = {}
    for call in calls:
        batch = batches.get(call.batch_id)
        if batch is None or call.pk in number_changes.stale:
            continue
        if update_batch_breaker(batch, call, now):
            changed[batch.pk] = batch
    for pace in number_changes.changed:
        for batch in batches.values():
            if batch.phone_number_id == pace.number_id and apply_number_state(batch, pace):
                changed[batch.pk] = batch
    for batch in changed.values():
        batch.save(update_fields=["status", *CLEAR_TROUBLE])


def update_batch_breaker(batch: Batch, call: Call, now: datetime) -> bool:
    """Update the batch's breaker from one ended call; returns whether the batch changed."""
    if reached_callee(call):
        return close_breaker(batch)
    was_probe = batch.probe_call_id == call.pk
    if was_probe:
        # It did not reach its callee, whatever the reason: probe again.
        batch.probe_at = now + PROBE_INTERVAL
        batch.probe_call_id = None
    verdict = verdict_of(call)
    if verdict is None or not is_provider_failure(call):
        return was_probe

    batch.provider_failures += 1
    if _opens_breaker(verdict, batch.provider_failures):
        cause = describe(call, verdict, batch.provider_failures)
        open_breaker(batch, cause, probe_at=now + PROBE_INTERVAL)
    return True


def apply_number_state(batch: Batch, pace: NumberPace) -> bool:
    """Pause or resume a batch with the breaker of its number; returns whether the batch changed."""
    if pace.trouble is None:
        return close_breaker(batch)
    # The number's probe decides, so all its batches wait for the same time.
    if open_breaker(batch, pace.trouble, probe_at=pace.probe_at):
        return True
    if has_paused_itself(batch) and batch.probe_call_id is None:
        batch.probe_at = pace.probe_at
        return True
    return False


def open_breaker(batch: Batch, cause: str, *, probe_at: datetime | None) -> bool:
    """Pause a running batch until a probe reaches its callee; returns whether it was running."""
    error = f"{cause}. One call at a time probes, and the batch resumes when it gets through."
    return OPEN_BREAKER.apply(batch, error=error, probe_at=probe_at, probe_call_id=None)


def close_breaker(batch: Batch) -> bool:
    """Forget the batch's failures, and resume it if it had paused itself.

    Returns whether the batch changed.
    """
    if has_paused_itself(batch):
        make_due_again(batch)
        return CLOSE_BREAKER.apply(batch, **CLEAR_TROUBLE)
    if batch.provider_failures == 0:
        return False
    batch.provider_failures = 0
    batch.probe_at = None
    batch.probe_call_id = None
    return True


def make_due_again(batch: Batch) -> None:
    """Make the recipients due whom the provider's trouble has put off: it is over."""
    now = database_now()
    reasons = [reason for reason, verdict in BY_REASON.items() if verdict.blame in PROVIDER_BLAMES]
    waiting = batch.recipients.filter(due_at__gt=now, reason__in=reasons)
    waiting.update(due_at=now)


def has_paused_itself(batch: Batch) -> bool:
    """Return whether the batch is paused by its breaker: not by an operator or a refused start."""
    probes = batch.probe_at is not None or batch.probe_call_id is not None
    return batch.status == Batch.Status.PAUSED and batch.error is not None and probes


def may_probe(pace: NumberPace, now: datetime) -> bool:
    """Return whether a number in trouble may try a call now: the previous probe has ended."""
    if pace.probe_at is not None and pace.probe_at > now:
        return False
    if pace.probe_call_id is None:
        return True
    return not Call.unscoped.open().filter(pk=pace.probe_call_id).exists()


def answered_probes() -> list[Call]:
    """Return probes whose answered call still goes on: they close breakers before they end."""
    numbers = NumberPace.unscoped.exclude(trouble=None).exclude(probe_call_id=None)
    batches = Batch.unscoped.filter(status=Batch.Status.PAUSED).exclude(probe_call_id=None)
    ids = [
        *numbers.values_list("probe_call_id", flat=True),
        *batches.values_list("probe_call_id", flat=True),
    ]
    if not ids:
        return []
    return list(Call.unscoped.filter(pk__in=filter(None, ids), stage=Stage.IN_PROGRESS))


def describe(call: Call, verdict: Verdict, failures_in_a_row: int) -> str:
    """Describe the cause of an open breaker, in words for operators."""
    sip_status = f" ({call.sip_status_code} {call.sip_status})" if call.sip_status_code else ""
    # A trunk that is gone or refused opens the breaker by itself, so a count would mislead.
    count = "" if verdict.blame is Blame.TRUNK else f", {failures_in_a_row} times in a row"
    return f"{verdict.description}{sip_status}{count}"


def _concerns_number(call: Call) -> bool:
    return reached_callee(call) or is_provider_failure(call) or call.end_reason in CAPACITY_REASONS


def _breaker_state(pace: NumberPace) -> list[Any]:
    return [getattr(pace, name) for name in PACE_FIELDS]


def _close_number_breaker(pace: NumberPace, call: Call, changes: BreakerChanges) -> bool:
    """Apply a call that reached its callee; returns whether the number was in trouble."""
    at = call.answered_at or call.ended_at
    # It was answered before the failures began, so it does not show that they are over.
    if pace.failing_since is not None and at is not None and at < pace.failing_since:
        changes.stale.add(call.pk)
        return False
    was_in_trouble = pace.trouble is not None
    pace.provider_failures = 0
    pace.failing_since = None
    pace.trouble = None
    pace.probe_at = None
    pace.probe_call_id = None
    return was_in_trouble


def _was_sent_since_backoff(pace: NumberPace, call: Call) -> bool:
    """Return whether the call was sent after the back-off began.

    Refusals of earlier calls have the same cause as the one that began it, and must not double it.
    """
    if pace.backoff_until is None or call.intent_at is None:
        return True
    return call.intent_at >= pace.backoff_until - timedelta(seconds=pace.backoff_seconds)


def _opens_breaker(verdict: Verdict, failures_in_a_row: int) -> bool:
    return verdict.blame is Blame.TRUNK or failures_in_a_row >= MAX_FAILURES_IN_A_ROW
