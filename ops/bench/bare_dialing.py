"""The reference for the dialer: an asyncio loop that only sends the same requests to LiveKit."""

import asyncio
import itertools
import time
from datetime import timedelta

from django.utils import timezone

from telephony.clients.livekit.dial import DialRequest, dial
from telephony.clients.livekit.rooms import RoomRequest, create_room
from telephony.clients.livekit.session import LiveKit, session
from voiceops.core.ids import uuid7


async def send_requests(calls: int, *, concurrency: int) -> float:
    """Create rooms and dial, with the same client and without any row. Returns calls per second."""
    started = itertools.count()
    began = time.monotonic()
    async with session() as livekit:

        async def send_one_after_the_other() -> None:
            while next(started) < calls:
                await place_call(livekit)

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(send_one_after_the_other())
    return calls / (time.monotonic() - began)


async def place_call(livekit: LiveKit) -> None:
    room = f"bare-{uuid7()}"
    await create_room(
        livekit, RoomRequest(name=room, agent_name="bench", agent_metadata="{}", empty_timeout=60)
    )
    await dial(
        livekit,
        DialRequest(
            room=room,
            identity=f"callee-{room}",
            trunk_id="ST_bench",
            from_number="+12025550100",
            to_number="+12025550101",
            ringing_timeout=30,
            max_call_duration=600,
            expires_at=timezone.now() + timedelta(seconds=10),
        ),
    )
