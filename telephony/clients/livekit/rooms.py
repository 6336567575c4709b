"""LiveKit's rooms: made with the agent in them, listed, asked who is there, deleted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from telephony.clients.livekit.errors import (
    GENERAL,
    SIP,
    is_key_refused,
    livekit_errors,
    metadata_refusal,
)
from telephony.clients.livekit.sdk import api
from telephony.clients.livekit.session import LiveKit
from telephony.domain.agent_metadata import learn_metadata_limit
from telephony.domain.dial_verdicts import KEY_REFUSED, TOO_LONG, UNREACHABLE, Verdict
from voiceops.core.errors import ProviderError

# LiveKit's words for a room that is in its store and whose node is not there any more.
NODE_IS_GONE = "could not find object"
HEALED_ROOM_SECONDS = 5  # such a room closes by itself, should its second deletion fail
DEPARTURE_TIMEOUT_SECONDS = 20  # LiveKit closes a room so long after its callee has left


@dataclass(frozen=True)
class RoomRequest:
    """A room to be made with the agent dispatched to it. Timeouts in seconds."""

    name: str
    agent_name: str
    agent_metadata: str = field(repr=False)  # holds credentials: telephony/domain/agent_metadata.py
    empty_timeout: int
    departure_timeout: int = DEPARTURE_TIMEOUT_SECONDS


@dataclass(frozen=True)
class Participant:
    """Who is in a room."""

    identity: str
    attributes: dict[str, str]
    is_callee: bool  # joined over SIP: a telephone
    is_egress: bool = False  # a recorder

    @property
    def call_status(self) -> str:
        """How far the telephone's leg is: dialing, ringing, active or hangup; empty for others."""
        return self.attributes.get("sip.callStatus", "")


async def create_room(livekit: LiveKit, room: RoomRequest) -> None:
    """Get or create the room with its agent; repeating it is harmless. Raises ProviderError."""
    request = api.CreateRoomRequest(
        name=room.name,
        empty_timeout=room.empty_timeout,
        departure_timeout=room.departure_timeout,
        # Agents and egress do not count: a second leg would be refused when it joins.
        max_participants=1,
        # Not by a dispatch of its own: repeating that would bring a second agent into the room.
        agents=[api.RoomAgentDispatch(agent_name=room.agent_name, metadata=room.agent_metadata)],
    )
    try:
        async with livekit_errors(GENERAL):
            await livekit.api.room.create_room(request)
    except ProviderError as error:
        if words := metadata_refusal(error):
            learn_metadata_limit(words, refused_bytes=len(room.agent_metadata.encode()))
        raise


async def create_room_without_agent(livekit: LiveKit, name: str, *, empty_timeout: int) -> None:
    """Create a room for one participant; `empty_timeout` in seconds. Raises ProviderError."""
    request = api.CreateRoomRequest(name=name, empty_timeout=empty_timeout, max_participants=1)
    async with livekit_errors(SIP):
        await livekit.api.room.create_room(request)


async def list_rooms(livekit: LiveKit, names: Sequence[str] = ()) -> list[str]:
    """Return the names of the LiveKit project's open rooms, all or those among `names`.

    Raises ProviderError.
    """
    async with livekit_errors(GENERAL):
        found = await livekit.api.room.list_rooms(api.ListRoomsRequest(names=names))
    return [room.name for room in found.rooms]


async def list_participants(livekit: LiveKit, room: str) -> list[Participant]:
    """Return who is in the room; an empty list when it does not exist. Raises ProviderError."""
    async with livekit_errors(GENERAL):
        try:
            found = await livekit.api.room.list_participants(api.ListParticipantsRequest(room=room))
        except api.ServerError as error:
            if error.status == 404:
                return []
            raise
    # LiveKit chooses the identity of an inbound telephone, so it is known by its kind.
    kinds = api.ParticipantInfo.Kind
    return [
        Participant(p.identity, dict(p.attributes), p.kind == kinds.SIP, p.kind == kinds.EGRESS)
        for p in found.participants
    ]


async def delete_room(livekit: LiveKit, name: str) -> None:
    """End everything in the room; a room that is already gone is fine. Raises ProviderError.

    A room whose node died cannot be deleted before a live node has taken it over.
    """
    async with livekit_errors(GENERAL):
        try:
            await _delete_existing(livekit, name)
        except api.ServerError as error:
            if NODE_IS_GONE not in error.message:
                raise
            # Get-or-create moves the room to a live node (`docs/reference/real-livekit.md §2.2`).
            request = api.CreateRoomRequest(name=name, empty_timeout=HEALED_ROOM_SECONDS)
            await livekit.api.room.create_room(request)
            await _delete_existing(livekit, name)


async def _delete_existing(livekit: LiveKit, name: str) -> None:
    try:
        await livekit.api.room.delete_room(api.DeleteRoomRequest(room=name))
    except api.ServerError as error:
        if error.status != 404:
            raise


def verdict_on_room(error: ProviderError) -> Verdict:
    """Return why a call was not dialled whose room could not be made."""
    if metadata_refusal(error):
        return TOO_LONG
    return KEY_REFUSED if is_key_refused(error) else UNREACHABLE
