"""A line through a room of LiveKit: sound, keys, and what happens to the callee."""

import asyncio
from dataclasses import dataclass

from livekit import api, rtc

from voice.lines.line import Transfer
from voice.lines.waiting import STATUS, CalleeWatch, DigitHandler, RoomDeletion, transfer

DIGIT_PAUSE_SECONDS = 0.3
KEY_WAIT_SECONDS = 0.5  # for each `w`
DTMF_CODES = {digit: code for code, digit in enumerate("0123456789*#ABCD")}
TELEPHONE_KIND = rtc.ParticipantKind.PARTICIPANT_KIND_SIP
BROWSER_KIND = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD


@dataclass
class RoomLine:
    """The callee is the first telephone or browser in the room."""

    room: rtc.Room
    server: api.LiveKitAPI
    callee: CalleeWatch
    deletion: RoomDeletion
    is_hanging_up: bool = False

    @property
    def left(self) -> "asyncio.Future[str]":
        return self.callee.left

    @property
    def is_telephone(self) -> bool:
        return self.callee.is_telephone

    def begin(self) -> None:
        """Watch the room from now on."""
        self.room.on("participant_connected", self._see)
        self.room.on("participant_attributes_changed", lambda _, who: self._see(who))
        self.room.on("participant_disconnected", self._lose)
        self.room.on("disconnected", self._on_disconnected)
        for participant in self.room.remote_participants.values():
            self._see(participant)

    def watch_digits(self, handler: DigitHandler) -> None:
        self.room.on("sip_dtmf_received", lambda tone: handler(tone.digit))

    async def wait_for_answer(self) -> bool:
        return await self.callee.wait_for_answer()

    def _see(self, participant: "rtc.Participant") -> None:
        if participant.kind == TELEPHONE_KIND:
            self.callee.see(participant.identity, participant.attributes.get(STATUS, "dialing"))
        elif participant.kind == BROWSER_KIND:
            self.callee.see(participant.identity, None)

    def _lose(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity != self.callee.identity:
            return
        number = participant.disconnect_reason
        reason = rtc.DisconnectReason.Name(number).lower() if number is not None else ""
        # LiveKit gives the same for a hang-up and a transfer; the latter is ours.
        if reason == "client_initiated" and self.callee.answered.is_set():
            reason = "callee_hangup"
        self.callee.lose(reason)

    def _on_disconnected(self, reason: int) -> None:
        self.callee.lose("room_closed", was_seen=not self.is_hanging_up)

    async def hang_up(self) -> None:
        self.is_hanging_up = True
        await self.deletion.run()

    async def transfer(self, number: str) -> Transfer:
        return await transfer(self.server, self.room.name, self.callee.identity, number)

    async def send_digits(self, digits: str) -> None:
        for digit in digits:
            if digit == "w":
                await asyncio.sleep(KEY_WAIT_SECONDS)
                continue
            await self.room.local_participant.publish_dtmf(code=DTMF_CODES[digit], digit=digit)
            await asyncio.sleep(DIGIT_PAUSE_SECONDS)
