"""Ending the calls that a stopped batch still has up."""

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

AT_ONCE = 50  # requests to LiveKit
NOT_ANSWERED = Stage.unanswered()


def hang_up_calls(*, batch: Batch) -> None:
    """End every call of a stopped batch. Raises ProviderError when LiveKit did not end some; ask
    again for those.

    Our rows first: an end by LiveKit's news would count as the callee's. An intent is left to be
    sent or dropped before that, because a dial that is under way would only open its room again.
    """
    calls = open_calls(batch)
    deadline = time.monotonic() + MAX_INTENT_SECONDS
    while any(call.stage == Stage.INTENT for call in calls) and time.monotonic() < deadline:
        time.sleep(INTENT_POLL_SECONDS)
        calls = open_calls(batch)
    now = database_now()
    for call in calls:
        call_states.mark_cancelled(call, at=now, by="operator", since=NOT_ANSWERED)
    failures = run_in_session(lambda livekit: delete_rooms(livekit, calls)) if calls else {}
    for call in calls:
        if call.room not in failures:
            record_hang_up(call, source="batch")
    if failures:
        raise next(iter(failures.values()))


def open_calls(batch: Batch) -> list[Call]:
    return list(Call.unscoped.open().filter(batch_id=batch.pk).order_by("pk"))


async def delete_rooms(livekit: LiveKit, calls: Sequence[Call]) -> dict[str, ProviderError]:
    """What went wrong, by room."""
    failures: dict[str, ProviderError] = {}
    turn = asyncio.Semaphore(AT_ONCE)

    async def delete(room: str) -> None:
        async with turn:
            try:
                await delete_room(livekit, room)
            except ProviderError as error:
                failures[room] = error

    await asyncio.gather(*(delete(call.room) for call in calls))
    return failures
