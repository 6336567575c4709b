"""Ending the calls that a stopped batch still has up."""

import asyncio
from collections.abc import Sequence

from batches.models import Batch
from telephony import lifecycle
from telephony.clients.livekit import LiveKit
from telephony.models import Call, Stage
from voiceops.clock import database_now
from voiceops.errors import ProviderError

AT_ONCE = 50  # requests to LiveKit


def hang_up_calls(*, batch: Batch) -> None:
    """End every call of the batch that rings or talks. Raises ProviderError when LiveKit did not end some of them.

    Those can be asked for again. A call whose dial is on its way is ended at LiveKit, and settled by the dial's answer.
    """
    calls = list(Call.unscoped.filter(batch_id=batch.pk, stage__in=lifecycle.SENT).order_by("pk"))
    failures = asyncio.run(delete_rooms(calls)) if calls else {}
    now = database_now()
    for call in calls:
        if call.room in failures:
            continue
        if call.stage == Stage.IN_PROGRESS:
            lifecycle.hung_up(call, at=now, reason="hung_up", by="operator", source="batch")
        elif call.stage in (Stage.DIALING, Stage.RINGING):
            lifecycle.cancelled(call, at=now, by="operator", since=(Stage.DIALING, Stage.RINGING))
    if failures:
        raise next(iter(failures.values()))


async def delete_rooms(calls: Sequence[Call]) -> dict[str, ProviderError]:
    """What went wrong, by room."""
    failures: dict[str, ProviderError] = {}
    turn = asyncio.Semaphore(AT_ONCE)

    async def delete(livekit: LiveKit, room: str) -> None:
        async with turn:
            try:
                await livekit.delete_room(room)
            except ProviderError as error:
                failures[room] = error

    async with LiveKit() as livekit:
        await asyncio.gather(*(delete(livekit, call.room) for call in calls))
    return failures
