"""Deletes the rooms that `telephony/domain/room_deletion.py` names, one request per claim."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial

from telephony.clients.livekit.rooms import delete_room
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.domain import room_deletion
from telephony.domain.room_deletion import MIN_DELETION_INTERVAL
from telephony.models import Call
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

MAX_ROOM_REQUESTS = 50  # to LiveKit at once
# What another process has claimed is asked for again after its interval, so that the call is over
# when this returns even if that process failed.
CLAIM_WAIT_SECONDS = MIN_DELETION_INTERVAL.total_seconds()


async def delete_due_rooms(livekit: LiveKit, db: OrmThread) -> int:
    """Delete the rooms whose agents had their moment; returns how many."""
    calls = await db(room_deletion.claim_due)
    if not calls:
        return 0
    failures = await request_deletions(livekit, calls)
    await db(record_deletions, calls, failures)
    return len(calls)


async def delete_room_now(livekit: LiveKit, db: OrmThread, call: Call) -> None:
    """Delete the room of one call at once. Raises ProviderError."""
    while not await db(room_deletion.claim, call):
        await asyncio.sleep(CLAIM_WAIT_SECONDS)
    failures = await request_deletions(livekit, [call])
    await db(record_deletions, [call], failures)
    for error in failures.values():
        raise error


def delete_rooms_now(calls: Sequence[Call]) -> dict[str, ProviderError]:
    """Delete the rooms of these calls at once, outside an event loop; the errors by room."""
    waiting = list(calls)
    failures: dict[str, ProviderError] = {}
    while waiting:
        claimed = [call for call in waiting if room_deletion.claim(call)]
        if claimed:
            failed = run_in_session(partial(request_deletions, calls=claimed))
            record_deletions(claimed, failed)
            failures |= failed
        waiting = [call for call in waiting if call not in claimed]
        if waiting:
            time.sleep(CLAIM_WAIT_SECONDS)
    return failures


def record_deletions(calls: Sequence[Call], failures: Mapping[str, ProviderError]) -> None:
    """Record which of the claimed rooms are gone. The others are due again, for a while."""
    now = database_now()
    failed = {call.pk for call in calls if call.room in failures}
    given_up = {call.pk for call in calls if room_deletion.is_given_up(call, now)}
    room_deletion.forget({call.pk for call in calls} - failed | given_up)
    if failed:
        room_deletion.release(failed)


async def request_deletions(livekit: LiveKit, calls: Sequence[Call]) -> dict[str, ProviderError]:
    """Ask LiveKit to delete rooms that were claimed; returns the errors by room."""
    failures: dict[str, ProviderError] = {}
    places = asyncio.Semaphore(MAX_ROOM_REQUESTS)

    async def delete(room: str) -> None:
        async with places:
            try:
                await delete_room(livekit, room)
            except ProviderError as error:
                logger.info("The room %s could not be deleted: %s", room, error)
                failures[room] = error

    await asyncio.gather(*(delete(call.room) for call in calls))
    return failures
