"""End the calls that a stopped batch still has."""

import asyncio
import time
from collections.abc import Sequence

from batches.models import Batch
from telephony.clients.livekit.rooms import delete_room
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.domain import call_states
from telephony.models import Call, Stage
from telephony.services.call_control import INTENT_POLL_SECONDS, MAX_INTENT_SECONDS, record_hang_up
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError

MAX_ROOM_REQUESTS = 50  # to LiveKit at once


def hang_up_calls(*, batch: Batch) -> None:
    """End every open call of a stopped batch.

    Raises ProviderError when LiveKit did not end some; the same order again ends those.
    """
    calls = _wait_for_intents(batch)
    # Our rows first, because an end that LiveKit reports would count as the callee's.
    now = database_now()
    for call in calls:
        call_states.mark_cancelled(call, at=now, by="operator", since=Stage.unanswered())
    failures = run_in_session(lambda livekit: delete_rooms(livekit, calls)) if calls else {}
    for call in calls:
        if call.room not in failures:
            record_hang_up(call, source="batch")
    if failures:
        raise next(iter(failures.values()))


def open_calls(batch: Batch) -> list[Call]:
    """Return the calls of the batch that have not ended."""
    return list(Call.unscoped.open().filter(batch_id=batch.pk).order_by("pk"))


async def delete_rooms(livekit: LiveKit, calls: Sequence[Call]) -> dict[str, ProviderError]:
    """Delete the calls' rooms at LiveKit; returns the errors by room."""
    failures: dict[str, ProviderError] = {}
    places = asyncio.Semaphore(MAX_ROOM_REQUESTS)

    async def delete(room: str) -> None:
        async with places:
            try:
                await delete_room(livekit, room)
            except ProviderError as error:
                failures[room] = error

    await asyncio.gather(*(delete(call.room) for call in calls))
    return failures


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
