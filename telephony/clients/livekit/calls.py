"""What is asked of LiveKit about a call that is up: agents, transfers, key tones, seats for
browsers.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from livekit import api

from telephony.clients.livekit.dial import LiveKit, provider_errors

T = TypeVar("T")
SEAT_LASTS = timedelta(minutes=10)
TRANSFER_RINGS = 30  # seconds
DTMF_TOPIC = "voiceops.dtmf"


def run_in_session(work: Callable[[LiveKit], Coroutine[Any, Any, T]]) -> T:
    """Do something at LiveKit from a request's thread."""

    async def session() -> T:
        async with LiveKit() as livekit:
            return await work(livekit)

    return asyncio.run(session())


async def create_bare_room(livekit: LiveKit, name: str, *, empty_timeout: int) -> None:
    """A room without an agent, for one participant. Raises ProviderError."""
    async with provider_errors():
        await livekit.api.room.create_room(
            api.CreateRoomRequest(name=name, empty_timeout=empty_timeout, max_participants=1)
        )


async def list_rooms(livekit: LiveKit) -> list[str]:
    """The names of all open rooms. Raises ProviderError."""
    async with provider_errors("LiveKit error"):
        found = await livekit.api.room.list_rooms(api.ListRoomsRequest())
    return [room.name for room in found.rooms]


async def transfer_leg(livekit: LiveKit, *, room: str, identity: str, to: str) -> None:
    """Hand the telephone's leg to another number; returns when that one has answered. Raises
    ProviderError.
    """
    request = api.TransferSIPParticipantRequest(
        room_name=room, participant_identity=identity, transfer_to=f"tel:{to}", play_dialtone=True
    )
    request.ringing_timeout.FromSeconds(TRANSFER_RINGS)
    async with provider_errors(patience=TRANSFER_RINGS + 10.0):
        await livekit.api.sip.transfer_sip_participant(request, timeout=TRANSFER_RINGS + 8.0)


async def send_dtmf(livekit: LiveKit, *, room: str, digits: str) -> None:
    """Ask the agent in the room to press keys: LiveKit's server has no request that does. Raises
    ProviderError.
    """
    request = api.SendDataRequest(
        room=room, data=digits.encode(), kind=api.DataPacket.Kind.RELIABLE, topic=DTMF_TOPIC
    )
    async with provider_errors("LiveKit error"):
        await livekit.api.room.send_data(request)


async def dispatch_agent(livekit: LiveKit, *, room: str, metadata: str) -> None:
    """Put our agent to work in the room, unless it is there or on its way. Raises ProviderError."""
    async with provider_errors("LiveKit error"):
        there = await livekit.api.agent_dispatch.list_dispatch(room_name=room)
        if any(dispatch.agent_name == settings.LIVEKIT_AGENT_NAME for dispatch in there):
            return
        await livekit.api.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(
                agent_name=settings.LIVEKIT_AGENT_NAME, room=room, metadata=metadata
            )
        )


def browser_token(*, room: str, identity: str) -> str:
    """A token for one room and nothing else, good for ten minutes."""
    grants = api.VideoGrants(
        room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=False
    )
    token = api.AccessToken(settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET)
    return str(token.with_identity(identity).with_ttl(SEAT_LASTS).with_grants(grants).to_jwt())
