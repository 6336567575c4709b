"""Backing off and pausing by itself when the trouble is not the callees'.

A number backs off when the carrier is out of channels: half a second first, doubling, never more
than five, and forgotten at the first call the carrier takes.

A number is in trouble after 20 provider failures in a row, whichever of its batches they befell, or
at once when its trunk is gone or its credentials are refused. Then all its batches pause with the
cause, one call of one of them at a time probes, and the first that gets through lets all go on. A
batch that alone fails 20 times in a row, while others on its number get through, pauses alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from batches.models import Batch
from telephony.domain.dial_verdicts import BY_REASON, Blame, Verdict
from telephony.models import Call, NumberPace, Stage

FAILURES_IN_A_ROW = 20
PROBE_EVERY = timedelta(seconds=5)
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 5.0  # seconds
CAPACITY_REASONS = {"carrier_limit", "livekit_limit", "carrier_unavailable"}
FAILURES = (Blame.CARRIER, Blame.TRUNK, Blame.PLATFORM)
PACE_FIELDS = (
    *("backoff_seconds", "backoff_until"),
    *("provider_failures", "failing_since", "trouble", "probe_at", "probe_call_id"),
)


@dataclass
class BreakerChanges:
    """What a chunk of calls says of its numbers."""

    changed: list[NumberPace] = field(default_factory=list)  # in trouble, or out of it
    stale: set[UUID] = field(
        default_factory=set
    )  # calls that got through before the failures began: no news


def verdict_of(call: Call) -> Verdict | None:
    return BY_REASON.get(call.end_reason or "")


def reached_callee(call: Call) -> bool:
    """The carrier took the call as far as the callee."""
    verdict = verdict_of(call)
    return call.answered_at is not None or (verdict is not None and verdict.blame is Blame.CALLEE)


def failed(call: Call) -> bool:
    verdict = verdict_of(call)
    return not reached_callee(call) and verdict is not None and verdict.blame in FAILURES


def update_number_breakers(calls: Sequence[Call], now: datetime) -> BreakerChanges:
    """Back numbers off, find them in trouble, or let them go on. Locks their pace rows, before any
    batch's.
    """
    news = BreakerChanges()
    telling = [
        call
        for call in calls
        if reached_callee(call) or failed(call) or call.end_reason in CAPACITY_REASONS
    ]
    ids = {call.number_id for call in telling}
    probes = {call.pk for call in calls}
    wanted = Q(number__in=ids) | Q(probe_call_id__in=probes)
    for pace in NumberPace.unscoped.select_for_update().filter(wanted).order_by("number_id"):
        before = [getattr(pace, name) for name in PACE_FIELDS]
        mine = [call for call in calls if call.number_id == pace.number_id]
        back_off(pace, mine, now)
        told = [update_number_breaker(pace, call, now, news) for call in mine]
        if any(told):
            news.changed.append(pace)
        if before != [getattr(pace, name) for name in PACE_FIELDS]:
            pace.save(update_fields=PACE_FIELDS)
    return news


def back_off(pace: NumberPace, calls: Sequence[Call], now: datetime) -> None:
    for call in calls:
        if reached_callee(call):
            pace.backoff_seconds = 0.0
        elif call.end_reason in CAPACITY_REASONS and backed_off_since(pace, call):
            pace.backoff_seconds = min(BACKOFF_MOST, max(BACKOFF_FIRST, pace.backoff_seconds * 2))
            pace.backoff_until = now + timedelta(seconds=pace.backoff_seconds)
    if pace.backoff_seconds == 0.0:
        pace.backoff_until = None


def update_number_breaker(
    pace: NumberPace, call: Call, now: datetime, news: BreakerChanges
) -> bool:
    """Whether this call says that the number is in trouble, still or since now, or no more."""
    if reached_callee(call):
        at = call.answered_at or call.ended_at
        if pace.failing_since is not None and at is not None and at < pace.failing_since:
            news.stale.add(call.pk)
            return False
        was_in_trouble = pace.trouble is not None
        pace.provider_failures, pace.failing_since, pace.trouble = 0, None, None
        pace.probe_at, pace.probe_call_id = None, None
        return was_in_trouble
    if pace.probe_call_id == call.pk:
        pace.probe_at, pace.probe_call_id = now + PROBE_EVERY, None
    if not failed(call):
        return False
    verdict = BY_REASON[call.end_reason or ""]
    pace.provider_failures += 1
    pace.failing_since = pace.failing_since or call.ended_at
    grave = verdict.blame is Blame.TRUNK or pace.provider_failures >= FAILURES_IN_A_ROW
    if pace.trouble is None and not grave:
        return False
    if pace.trouble is None:
        pace.probe_at = now + PROBE_EVERY
    pace.trouble = describe(call, verdict, pace.provider_failures)
    return True


def backed_off_since(pace: NumberPace, call: Call) -> bool:
    """Refusals of calls sent before the number backed off are the same news, and do not double it."""
    began = (
        pace.backoff_until - timedelta(seconds=pace.backoff_seconds) if pace.backoff_until else None
    )
    return began is None or call.intent_at is None or call.intent_at >= began


def update_batch_breakers(
    batches: Mapping[Any, Batch], calls: Iterable[Call], now: datetime, news: BreakerChanges
) -> None:
    """Count failures in a row, pause, probe, heal. The rows are locked by the caller."""
    changed: dict[Any, Batch] = {}
    for call in calls:
        batch = batches.get(call.batch_id)
        if (
            batch is not None
            and call.pk not in news.stale
            and update_batch_breaker(batch, call, now)
        ):
            changed[batch.pk] = batch
    for pace in news.changed:
        for batch in batches.values():
            if batch.phone_number_id == pace.number_id and apply_number_state(batch, pace):
                changed[batch.pk] = batch
    for batch in changed.values():
        batch.save(
            update_fields=["status", "error", "provider_failures", "probe_at", "probe_call_id"]
        )


def update_batch_breaker(batch: Batch, call: Call, now: datetime) -> bool:
    """Whether this call changed the batch."""
    probing = batch.probe_call_id == call.pk
    if reached_callee(call):
        return close_breaker(batch)
    if probing:  # it did not get through, whatever became of it: ask again
        batch.probe_at, batch.probe_call_id = now + PROBE_EVERY, None
    verdict = verdict_of(call)
    if verdict is None or not failed(call):
        return probing
    batch.provider_failures += 1
    grave = verdict.blame is Blame.TRUNK or batch.provider_failures >= FAILURES_IN_A_ROW
    if batch.status == Batch.Status.RUNNING and grave:
        pause_itself(batch, describe(call, verdict, batch.provider_failures), now + PROBE_EVERY)
    return True


def apply_number_state(batch: Batch, pace: NumberPace) -> bool:
    """What the number's trouble, or its end, means for one of its batches; whether it changed."""
    if pace.trouble is None:
        return close_breaker(batch)
    if batch.status == Batch.Status.RUNNING:
        pause_itself(batch, pace.trouble, pace.probe_at)
    elif paused_itself(batch) and batch.probe_call_id is None:
        batch.probe_at = pace.probe_at
    else:
        return False
    return True


def pause_itself(batch: Batch, why: str, probe_at: datetime | None) -> None:
    batch.status = Batch.Status.PAUSED
    batch.error = f"{why}. One call at a time probes, and the batch goes on when it gets through."
    batch.probe_at, batch.probe_call_id = probe_at, None


def describe(call: Call, verdict: Verdict, times: int) -> str:
    said = f" ({call.sip_status_code} {call.sip_status})" if call.sip_status_code else ""
    return f"{verdict.description}{said}" + (
        "" if verdict.blame is Blame.TRUNK else f", {times} times in a row"
    )


def paused_itself(batch: Batch) -> bool:
    """Not by a person, nor because it could not even start."""
    probes = batch.probe_at is not None or batch.probe_call_id is not None
    return batch.status == Batch.Status.PAUSED and batch.error is not None and probes


def close_breaker(batch: Batch) -> bool:
    """A call got through: forget the failures, and go on if the batch had paused itself."""
    was_open = paused_itself(batch)
    if not was_open and batch.provider_failures == 0:
        return False
    batch.provider_failures, batch.probe_at, batch.probe_call_id = 0, None, None
    if was_open:
        batch.status, batch.error = Batch.Status.RUNNING, None
    return True


def may_probe(pace: NumberPace, now: datetime) -> bool:
    """Whether a number in trouble may try one call now: the one before it has told, or is gone."""
    if pace.probe_at is not None and pace.probe_at > now:
        return False
    return (
        pace.probe_call_id is None
        or not Call.unscoped.open().filter(pk=pace.probe_call_id).exists()
    )


def answered_probes() -> list[Call]:
    """Probes that are answered say so at once, however long they talk."""
    numbers = NumberPace.unscoped.exclude(trouble=None).exclude(probe_call_id=None)
    batches = Batch.unscoped.filter(status=Batch.Status.PAUSED).exclude(probe_call_id=None)
    ids = [
        *numbers.values_list("probe_call_id", flat=True),
        *batches.values_list("probe_call_id", flat=True),
    ]
    if not ids:
        return []
    return list(Call.unscoped.filter(pk__in=filter(None, ids), stage=Stage.IN_PROGRESS))
