"""End the calls that a stopped batch still has."""

import time

from batches.models import Batch
from telephony.dialing.room_deleter import delete_rooms_now
from telephony.domain import call_states
from telephony.models import Call, Stage
from telephony.services.call_control import INTENT_POLL_SECONDS, MAX_INTENT_SECONDS, record_hang_up
from voiceops.core.clock import database_now


def hang_up_calls(*, batch: Batch) -> None:
    """End every open call of a stopped batch.

    Raises ProviderError when LiveKit did not end some; the same order again ends those.
    """
    calls = _wait_for_intents(batch)
    # Our rows first, because an end that LiveKit reports would count as the callee's.
    now = database_now()
    for call in calls:
        call_states.mark_cancelled(call, at=now, by="operator", since=Stage.unanswered())
    failures = delete_rooms_now(calls)
    for call in calls:
        if call.room not in failures:
            record_hang_up(call, source="batch")
    if failures:
        raise next(iter(failures.values()))


def open_calls(batch: Batch) -> list[Call]:
    """Return the calls of the batch that have not ended."""
    return list(Call.unscoped.open().filter(batch_id=batch.pk).order_by("pk"))


def _wait_for_intents(batch: Batch) -> list[Call]:
    """Return the open calls once every intent is sent or dropped, or has had time enough.

    A dial that is under way would open its room again after the room was deleted.
    """
    calls = open_calls(batch)
    deadline = time.monotonic() + MAX_INTENT_SECONDS
    while any(call.stage == Stage.INTENT for call in calls) and time.monotonic() < deadline:
        time.sleep(INTENT_POLL_SECONDS)
        calls = open_calls(batch)
    return calls
