"""LiveKit's rooms and calls, behind one wrapper that knows its client's traps (`protocols.md` §9).

failover=False      the SDK would send a dial again, up to three times (trap 1)
asyncio.timeout     the SDK's own timeout does not apply (trap 2)
one event loop      a session belongs to the loop it was made in (trap 10): make one `LiveKit` per
loop no `nbf`            tokens that begin by our clock would be refused when it is fast (see
tokens.py)
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
import jwt
from django.conf import settings
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from livekit import api

from telephony.clients.livekit.tokens import send_without_beginning
from telephony.domain.dial_verdicts import KEY_REFUSED, UNREACHABLE, DialRefusal, Verdict
from voiceops.core.errors import ProviderError

TIMEOUT = 10.0  # seconds, for everything but a dial
PREFIX = (
    "twirp error unknown: "  # before most of its messages, whatever the code (protocols.md 1.2)
)


@dataclass(frozen=True)
class RoomOrder:
    """A room to be made with the agent in it. Timeouts in seconds."""

    name: str
    agent_name: str
    agent_metadata: str = field(repr=False)  # with credentials: telephony/domain/agent_metadata.py
    empty_timeout: int
    departure_timeout: int = 20


@dataclass(frozen=True)
class Dial:
    room: str
    identity: str
    trunk_id: str
    from_number: str
    to_number: str
    ringing_timeout: int  # seconds
    max_call_duration: int  # seconds, counted by LiveKit from the dial
    expires_at: datetime  # of the token: what LiveKit receives later it refuses


@dataclass(frozen=True)
class Answered:
    sip_call_id: str


@dataclass(frozen=True)
class NeverSent:
    reason: str


@dataclass(frozen=True)
class Lost:
    """The request may have reached LiveKit, its answer did not reach us."""

    reason: str


@dataclass(frozen=True)
class Participant:
    identity: str
    attributes: dict[str, str]
    is_callee: bool

    @property
    def call_status(self) -> str:
        return self.attributes.get("sip.callStatus", "")


def reason_of(error: Exception) -> str:
    """LiveKit's refusal in words: no class names, no addresses, no secrets."""
    if isinstance(error, api.ServerError):
        if error.status == 401:
            return "the API key or secret was refused"
        return error.message.removeprefix(PREFIX) or f"answered {error.status}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, DecodeError):  # 200 from something on the way that is not LiveKit
        return "an answer that could not be understood"
    return "could not be reached"


def verdict_on_room(error: ProviderError) -> Verdict:
    """Why a call whose room could not be made was not dialled."""
    cause = error.__cause__
    return (
        KEY_REFUSED if isinstance(cause, api.ServerError) and cause.status == 401 else UNREACHABLE
    )


@asynccontextmanager
async def provider_errors(
    what: str = "LiveKit SIP error", *, patience: float = TIMEOUT
) -> AsyncIterator[None]:
    """Bound a request in time (seconds) and turn whatever fails into a ProviderError in words."""
    try:
        async with asyncio.timeout(patience):
            yield
    except (api.ServerError, aiohttp.ClientError, TimeoutError, OSError, DecodeError) as error:
        raise ProviderError(f"{what}: {reason_of(error)}") from error


def dial_token(expires_at: datetime) -> str:
    """A token that can dial and nothing else. Its end is by the database's clock, not by this
    machine's.
    """
    claims: dict[str, Any] = {
        "iss": settings.LIVEKIT_API_KEY,
        "sub": "",
        "exp": int(expires_at.timestamp()),
        "sip": {"call": True},
        "video": {},
    }
    return jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")


class LiveKit:
    """One session of the official client. Use as `async with LiveKit() as livekit`."""

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(),
            middlewares=(send_without_beginning,),
        )
        self.api = api.LiveKitAPI(
            settings.LIVEKIT_URL,
            settings.LIVEKIT_API_KEY,
            settings.LIVEKIT_API_SECRET,
            session=self.session,
            failover=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.session.close()

    async def create_room(self, order: RoomOrder) -> None:
        """Get or create the room with its agent; repeating it is harmless. Raises ProviderError."""
        request = api.CreateRoomRequest(
            name=order.name,
            empty_timeout=order.empty_timeout,
            departure_timeout=order.departure_timeout,
            # Agents and egress do not count: a second leg would be refused at the join.
            max_participants=1,
            agents=[
                api.RoomAgentDispatch(agent_name=order.agent_name, metadata=order.agent_metadata)
            ],
        )
        async with provider_errors("LiveKit error"):
            await self.api.room.create_room(request)

    async def dial(self, dial: Dial) -> Answered | DialRefusal | NeverSent | Lost:
        """Send CreateSIPParticipant exactly once and wait for the callee. Never raises for what
        LiveKit does.
        """
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=dial.trunk_id,
            sip_call_to=dial.to_number,
            sip_number=dial.from_number,
            room_name=dial.room,
            participant_identity=dial.identity,
            participant_name="callee",
            hide_phone_number=True,
            wait_until_answered=True,
            ringing_timeout=Duration(seconds=dial.ringing_timeout),
            max_call_duration=Duration(seconds=dial.max_call_duration),
        )
        patience = dial.ringing_timeout + 12.0
        once = api.LiveKitAPI(
            settings.LIVEKIT_URL,
            token=dial_token(dial.expires_at),
            session=self.session,
            failover=False,
        )
        try:
            async with asyncio.timeout(patience):
                placed = await once.sip.create_sip_participant(request, timeout=patience)
        except (
            aiohttp.ClientConnectorError
        ) as error:  # DNS or a refused connection: not a byte was written
            return NeverSent(reason_of(error))
        except api.ServerError as error:
            return answer_of(error)
        except (aiohttp.ClientError, TimeoutError, OSError, DecodeError) as error:
            return Lost(type(error).__name__)
        return Answered(placed.sip_call_id)

    async def delete_room(self, name: str) -> None:
        """End whatever goes on in the room; a room that is gone already is fine. Raises
        ProviderError.
        """
        async with provider_errors("LiveKit error"):
            try:
                await self.api.room.delete_room(api.DeleteRoomRequest(room=name))
            except api.ServerError as error:
                if error.status != 404:
                    raise

    async def participants(self, room: str) -> list[Participant]:
        """Who is in the room; nobody when it does not exist. Raises ProviderError."""
        async with provider_errors("LiveKit error"):
            try:
                found = await self.api.room.list_participants(
                    api.ListParticipantsRequest(room=room)
                )
            except api.ServerError as error:
                if error.status == 404:
                    return []
                raise
        sip = api.ParticipantInfo.Kind.SIP
        return [
            Participant(p.identity, dict(p.attributes), p.kind == sip) for p in found.participants
        ]


def answer_of(error: api.ServerError) -> DialRefusal:
    code = error.metadata.get("sip_status_code", "")
    return DialRefusal(
        code=error.code,
        status=error.status,
        message=error.message,
        sip_code=int(code) if code.isdigit() else None,
        sip_phrase=error.metadata.get("sip_status", ""),
    )
