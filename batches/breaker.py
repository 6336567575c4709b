"""Backing off and pausing by itself when the trouble is not the callees'.

A number backs off when the carrier is out of channels: half a second first, doubling, never more than five, and
forgotten at the first call the carrier takes. A batch pauses itself after 20 provider failures in a row, or at once
when the trunk is gone or its credentials are refused; then one call at a time probes, and the first that gets
through heals.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from batches.models import Batch
from telephony.models import Call, NumberPace
from telephony.outcomes import BY_REASON, Blame, Verdict

FAILURES_IN_A_ROW = 20
PROBE_EVERY = timedelta(seconds=5)
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 5.0  # seconds
CAPACITY_REASONS = {"carrier_limit", "livekit_limit", "carrier_unavailable"}


def verdict_of(call: Call) -> Verdict | None:
    return BY_REASON.get(call.end_reason or "")


def got_through(call: Call) -> bool:
    """The carrier took the call as far as the callee."""
    verdict = verdict_of(call)
    return call.answered_at is not None or (verdict is not None and verdict.blame is Blame.CALLEE)


def note_numbers(calls: Sequence[Call], now: datetime) -> None:
    """Back numbers off, or let them go on. Locks their pace rows, before any batch's."""
    ids = {call.number_id for call in calls if got_through(call) or call.end_reason in CAPACITY_REASONS}
    paces = NumberPace.unscoped.select_for_update().filter(number__in=ids).order_by("number_id")
    for pace in paces:
        mine = [call for call in calls if call.number_id == pace.number_id]
        before = pace.backoff_seconds
        for call in mine:
            if got_through(call):
                pace.backoff_seconds = 0.0
            elif call.end_reason in CAPACITY_REASONS and backed_off_since(pace, call):
                pace.backoff_seconds = min(BACKOFF_MOST, max(BACKOFF_FIRST, pace.backoff_seconds * 2))
                pace.backoff_until = now + timedelta(seconds=pace.backoff_seconds)
        if pace.backoff_seconds == 0.0:
            pace.backoff_until = None
        if pace.backoff_seconds != before or pace.backoff_until is not None:
            pace.save(update_fields=["backoff_seconds", "backoff_until"])


def backed_off_since(pace: NumberPace, call: Call) -> bool:
    """Refusals of calls sent before the number backed off are the same news, and do not double it."""
    began = pace.backoff_until - timedelta(seconds=pace.backoff_seconds) if pace.backoff_until else None
    return began is None or call.intent_at is None or call.intent_at >= began


def note_batches(batches: Mapping[Any, Batch], calls: Iterable[Call], now: datetime) -> None:
    """Count failures in a row, pause, probe, heal. The rows are locked by the caller."""
    changed: dict[Any, Batch] = {}
    for call in calls:
        batch = batches.get(call.batch_id)
        if batch is not None and judge(batch, call, now):
            changed[batch.pk] = batch
    for batch in changed.values():
        batch.save(update_fields=["status", "error", "provider_failures", "probe_at", "probe_call_id"])


def judge(batch: Batch, call: Call, now: datetime) -> bool:
    """Whether this call changed the batch."""
    verdict = verdict_of(call)
    probing = batch.probe_call_id == call.pk
    if got_through(call):
        return heal(batch)
    if verdict is None or verdict.blame in (Blame.US, Blame.DOUBT, Blame.CAPACITY):
        if probing:  # the probe never got an answer: ask again
            batch.probe_at, batch.probe_call_id = now + PROBE_EVERY, None
        return probing
    batch.provider_failures += 1
    if probing:
        batch.probe_at, batch.probe_call_id = now + PROBE_EVERY, None
    elif batch.status == Batch.Status.RUNNING and (
        verdict.blame is Blame.TRUNK or batch.provider_failures >= FAILURES_IN_A_ROW
    ):
        pause_itself(batch, call, verdict, now)
    return True


def pause_itself(batch: Batch, call: Call, verdict: Verdict, now: datetime) -> None:
    said = f" ({call.sip_status_code} {call.sip_status})" if call.sip_status_code else ""
    how_often = "" if verdict.blame is Blame.TRUNK else f", {batch.provider_failures} times in a row"
    batch.status = Batch.Status.PAUSED
    batch.error = (
        f"{verdict.words}{said}{how_often}. One call at a time probes, and the batch goes on when it gets through."
    )
    batch.probe_at, batch.probe_call_id = now + PROBE_EVERY, None


def heal(batch: Batch) -> bool:
    """A call got through: forget the failures, and go on if the batch had paused itself."""
    was_open = batch.status == Batch.Status.PAUSED and batch.error is not None
    if not was_open and batch.provider_failures == 0:
        return False
    batch.provider_failures, batch.probe_at, batch.probe_call_id = 0, None, None
    if was_open:
        batch.status, batch.error = Batch.Status.RUNNING, None
    return True
