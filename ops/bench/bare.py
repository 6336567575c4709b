"""The bar: a bare asyncio loop that only sends the same requests, so many at once."""

import asyncio
import itertools
import time
from datetime import timedelta

from django.utils import timezone

from telephony.clients.livekit.dial import DialRequest, dial
from telephony.clients.livekit.rooms import RoomRequest, create_room
from telephony.clients.livekit.session import LiveKit, session
from voiceops.core.ids import uuid7


async def send_only(calls: int, *, at_once: int) -> float:
    """Make the rooms and dial, with the same client and no rows. Returns calls per second."""
    left = itertools.count()
    began = time.monotonic()
    async with session() as livekit:

        async def lane() -> None:
            while next(left) < calls:
                await one(livekit)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(lane())
    return calls / (time.monotonic() - began)


async def one(livekit: LiveKit) -> None:
    name = f"bare-{uuid7()}"
    await create_room(
        livekit, RoomRequest(name=name, agent_name="bench", agent_metadata="{}", empty_timeout=60)
    )
    await dial(
        livekit,
        DialRequest(
            room=name,
            identity=f"callee-{name}",
            trunk_id="ST_bench",
            from_number="+12025550100",
            to_number="+12025550101",
            ringing_timeout=30,
            max_call_duration=600,
            expires_at=timezone.now() + timedelta(seconds=10),
        ),
    )
