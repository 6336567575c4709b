"""The dial request: sent exactly once, and every way in which it can end as a value.

LiveKit has no idempotency key for it: the same request twice rings twice.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from telephony.clients.livekit.errors import reason_of, transport_failures
from telephony.clients.livekit.sdk import aiohttp, api, duration_pb2
from telephony.clients.livekit.session import LiveKit
from telephony.clients.livekit.tokens import dial_token
from telephony.domain.dial_verdicts import DialRefusal

# LiveKit answers a little after the ringing timeout, and giving up sooner would leave a call in
# doubt whose result was on its way.
ANSWER_MARGIN_SECONDS = 12.0


@dataclass(frozen=True)
class DialRequest:
    """A call to be placed from a room that exists. Durations in seconds."""

    room: str
    identity: str
    trunk_id: str
    from_number: str
    to_number: str
    ringing_timeout: int
    max_call_duration: int  # counted by LiveKit from the dial
    expires_at: datetime  # of the token: LiveKit refuses what it receives later


@dataclass(frozen=True)
class Answered:
    """The callee picked up."""

    sip_call_id: str


@dataclass(frozen=True)
class NeverSent:
    """Not a byte of the request left this machine."""

    reason: str


@dataclass(frozen=True)
class Lost:
    """The request may have reached LiveKit, its answer did not reach us."""

    reason: str


DialResult = Answered | DialRefusal | NeverSent | Lost


async def dial(livekit: LiveKit, request: DialRequest) -> DialResult:
    """Send CreateSIPParticipant exactly once and wait until the callee answers or cannot be had.

    Never raises for anything that LiveKit or the network does.
    """
    timeout_seconds = request.ringing_timeout + ANSWER_MARGIN_SECONDS
    # LiveKit refuses what it receives after the token's end, so a request that is delayed on the
    # way cannot ring a phone minutes later.
    sip = livekit.with_token(dial_token(request.expires_at)).sip
    try:
        async with asyncio.timeout(timeout_seconds):
            placed = await sip.create_sip_participant(_message(request), timeout=timeout_seconds)
    except aiohttp.ClientConnectorError as error:
        # DNS failed or the connection was refused: not a byte was written.
        return NeverSent(reason_of(error))
    except api.ServerError as error:
        return _refusal(error)
    except transport_failures() as error:
        return Lost(type(error).__name__)
    return Answered(placed.sip_call_id)


def _message(request: DialRequest) -> "api.CreateSIPParticipantRequest":
    return api.CreateSIPParticipantRequest(
        sip_trunk_id=request.trunk_id,
        sip_call_to=request.to_number,
        sip_number=request.from_number,
        room_name=request.room,
        participant_identity=request.identity,
        participant_name="callee",
        # Everyone in the room could read the number from the participant's attributes.
        hide_phone_number=True,
        # No other answer carries the SIP status: without it, busy looks like a refused trunk.
        wait_until_answered=True,
        ringing_timeout=duration_pb2.Duration(seconds=request.ringing_timeout),
        max_call_duration=duration_pb2.Duration(seconds=request.max_call_duration),
    )


def _refusal(error: "api.ServerError") -> DialRefusal:
    code = error.metadata.get("sip_status_code", "")
    return DialRefusal(
        code=error.code,
        status=error.status,
        message=error.message,
        sip_code=int(code) if code.isdigit() else None,
        sip_phrase=error.metadata.get("sip_status", "").replace("\0", ""),  # PostgreSQL has none
    )
