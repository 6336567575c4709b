"""What both of LiveKit's lines know about a callee: joined, ringing, answered, left."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from livekit import api
from livekit.protocol.sip import CreateSIPParticipantRequest, TransferSIPParticipantRequest

from voice.journal import Journal
from voice.lines.line import Transfer

STATUS = "sip.callStatus"
TRUNK, TRUNK_NUMBER = "sip.trunkID", "sip.trunkPhoneNumber"
# Who was called into the callee's room.
COLLEAGUE = "colleague"
TRANSFER_RINGING_SECONDS = 30
# The server waits for the target as long as it rings, and answers a moment later.
TRANSFER_MARGIN_SECONDS = 10.0


@dataclass
class CalleeWatch:
    """Reports what happens to the callee, each thing once."""

    journal: Journal
    left: "asyncio.Future[str]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    identity: str = ""
    is_telephone: bool = True
    # What their line was dialled with.
    attributes: Mapping[str, str] = field(default_factory=dict)
    colleague_left: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    _is_ringing: bool = False

    def see(self, identity: str, attributes: Mapping[str, str] | None) -> None:
        """Record the callee's state: a telephone's attributes, None for a browser, which does not
        ring.
        """
        if not self.identity:
            self.identity, self.is_telephone = identity, attributes is not None
            self.journal.add("callee_joined")
        if identity != self.identity or self.answered.is_set():
            return
        self.attributes = dict(attributes or {})
        status = self.attributes.get(STATUS, "dialing")
        if attributes is None or status == "active":
            self.answered.set()
            self.journal.add("callee_answered")
        elif status == "ringing" and not self._is_ringing:
            self._is_ringing = True
            self.journal.add("agent_alive", callee_status="ringing")

    def lose(self, reason: str, *, was_seen: bool = True) -> None:
        """Record that the callee, or the room, is gone."""
        if self.left.done():
            return
        if was_seen and self.identity:
            self.journal.add("callee_left", reason=reason)
        self.left.set_result(reason)

    def lose_colleague(self) -> None:
        """Record that whoever was called in is gone."""
        if not self.colleague_left.done():
            self.colleague_left.set_result(None)

    async def wait_for_answer(self) -> bool:
        """Return True when the callee has answered, and False when they never will."""
        answer: asyncio.Future[Any] = asyncio.ensure_future(self.answered.wait())
        await asyncio.wait([answer, self.left], return_when=asyncio.FIRST_COMPLETED)
        answer.cancel()
        return self.answered.is_set() and not self.left.done()


async def transfer(server: api.LiveKitAPI, room: str, identity: str, number: str) -> Transfer:
    """Hand a telephone over to a number (SIP REFER), and return how that went."""
    request = TransferSIPParticipantRequest(
        room_name=room, participant_identity=identity, transfer_to=f"tel:{number}"
    )
    request.ringing_timeout.seconds = TRANSFER_RINGING_SECONDS
    return await _attempt(server.sip.transfer_sip_participant(request))


async def call_in(server: api.LiveKitAPI, room: str, callee: CalleeWatch, number: str) -> Transfer:
    """Call somebody into the callee's room, by the trunk that the callee was called with."""
    trunk = callee.attributes.get(TRUNK)
    if not trunk:
        return Transfer(False, "this call has no trunk to dial with")
    request = CreateSIPParticipantRequest(
        sip_trunk_id=trunk,
        sip_number=callee.attributes.get(TRUNK_NUMBER, ""),
        sip_call_to=number,
        room_name=room,
        participant_identity=COLLEAGUE,
        wait_until_answered=True,
    )
    request.ringing_timeout.seconds = TRANSFER_RINGING_SECONDS
    result = Transfer(False)
    try:
        result = await _attempt(server.sip.create_sip_participant(request))
    finally:
        if not result.succeeded:
            # They may still ring, or answer in a moment, into a talk that goes on without them.
            leg = api.RoomParticipantIdentity(room=room, identity=COLLEAGUE)
            with suppress(api.TwirpError, aiohttp.ClientError):
                await server.room.remove_participant(leg)
    return result


async def _attempt(request: Awaitable[Any]) -> Transfer:
    try:
        async with asyncio.timeout(TRANSFER_RINGING_SECONDS + TRANSFER_MARGIN_SECONDS):
            await request
    except api.TwirpError as error:
        code = error.metadata.get("sip_status_code")
        text = error.metadata.get("sip_status") or error.message
        return Transfer(False, text, int(code) if code and code.isdigit() else None)
    except (TimeoutError, aiohttp.ClientError):
        return Transfer(False, "the other side did not answer in time")
    return Transfer(True)


@dataclass
class RoomDeletion:
    """Deletes a room once: of two requests at the same time, LiveKit's second brings it back with
    a new agent in it (`docs/reference/protocols.md §2.1`).
    """

    server: api.LiveKitAPI
    room: str
    is_done: bool = False

    async def run(self) -> None:
        """Delete the room, unless that was done; one that is gone already is no error."""
        if self.is_done:
            return
        self.is_done = True
        try:
            await self.server.room.delete_room(api.DeleteRoomRequest(room=self.room))
        except api.TwirpError as error:
            if error.code != api.TwirpErrorCode.NOT_FOUND:
                raise


DigitHandler = Callable[[str], None]
