"""A line without sound, by requests to LiveKit alone: against the sandbox, which has no media.

Whether the callee rings, has answered or is gone is asked for four times a second.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
from livekit import api
from livekit.protocol.models import ParticipantInfo

from voice.lines.line import Transfer
from voice.lines.waiting import (
    COLLEAGUE,
    CalleeWatch,
    DigitHandler,
    RoomDeletion,
    call_in,
    transfer,
)

PARTICIPANT_POLL_SECONDS = 0.25
TELEPHONE, BROWSER = ParticipantInfo.Kind.SIP, ParticipantInfo.Kind.STANDARD


@dataclass
class RequestLine:
    """`watch` polls until the callee, or the room, is gone."""

    server: api.LiveKitAPI
    room: str
    callee: CalleeWatch
    deletion: RoomDeletion
    sent_digits: list[str] = field(default_factory=list)
    _task: "asyncio.Task[None] | None" = None
    _has_colleague: bool = False

    @property
    def left(self) -> "asyncio.Future[str]":
        return self.callee.left

    @property
    def is_telephone(self) -> bool:
        return self.callee.is_telephone

    @property
    def colleague_left(self) -> "asyncio.Future[None]":
        return self.callee.colleague_left

    def watch_digits(self, handler: DigitHandler) -> None:
        """Do nothing: without sound no keys are heard."""

    async def wait_for_answer(self) -> bool:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())
        return await self.callee.wait_for_answer()

    async def _watch(self) -> None:
        while not self.left.done():
            # A request that fails says nothing; the next one may.
            with suppress(aiohttp.ClientError, TimeoutError):
                await self._poll()
            await asyncio.sleep(PARTICIPANT_POLL_SECONDS)

    async def _poll(self) -> None:
        try:
            listed = await self.server.room.list_participants(
                api.ListParticipantsRequest(room=self.room)
            )
        except api.TwirpError as error:
            if error.code == api.TwirpErrorCode.NOT_FOUND:
                self.callee.lose("room_closed")
            return
        callees = [one for one in listed.participants if one.kind in (TELEPHONE, BROWSER)]
        for one in callees:
            self.callee.see(one.identity, one.attributes if one.kind == TELEPHONE else None)
        identities = {one.identity for one in callees}
        if self._has_colleague and COLLEAGUE not in identities:
            self.callee.lose_colleague()
        if self.callee.identity and self.callee.identity not in identities:
            is_room_open = bool(listed.participants)
            was_in_call = self.callee.answered.is_set()
            reason = "callee_hangup" if was_in_call else "client_initiated"
            self.callee.lose(reason if is_room_open else "room_closed")

    async def hang_up(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.deletion.run()

    async def transfer(self, number: str) -> Transfer:
        return await transfer(self.server, self.room, self.callee.identity, number)

    async def call_in(self, number: str) -> Transfer:
        result = await call_in(self.server, self.room, self.callee, number)
        self._has_colleague = result.succeeded
        return result

    async def send_digits(self, digits: str) -> None:
        self.sent_digits.append(digits)
