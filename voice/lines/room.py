"""A line through a room of LiveKit: sound, keys, and what happens to the callee."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from livekit import api, rtc
from livekit.agents.voice.background_audio import (
    AudioConfig,
    BackgroundAudioPlayer,
    BuiltinAudioClip,
)

from voice.lines.line import KEYS, Transfer
from voice.lines.waiting import (
    COLLEAGUE,
    CalleeWatch,
    DigitHandler,
    RoomDeletion,
    call_in,
    transfer,
)

DIGIT_PAUSE_SECONDS = 0.3
KEY_WAIT_SECONDS = 0.5  # for each `w`
DTMF_CODES = {digit: code for code, digit in enumerate("0123456789*#ABCD")}
# What VoiceOps asks to press, and what a browser has pressed (`docs/calls.md`).
DTMF_TOPIC = "voiceops.dtmf"
HOLD_VOLUME = 0.5
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
    _pressing: set["asyncio.Task[None]"] = field(default_factory=set)

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

    @property
    def colleague_left(self) -> "asyncio.Future[None]":
        return self.callee.colleague_left

    def watch_digits(self, handler: DigitHandler) -> None:
        """Hear the callee's keys, and nobody else's; press what VoiceOps asks for."""
        self.room.on("sip_dtmf_received", partial(self._hear_tone, handler))
        self.room.on("data_received", partial(self._hear_data, handler))

    def _hear_tone(self, handler: DigitHandler, tone: rtc.SipDTMF) -> None:
        if tone.participant is not None and tone.participant.identity == self.callee.identity:
            handler(tone.digit)

    def _hear_data(self, handler: DigitHandler, packet: rtc.DataPacket) -> None:
        digits = packet.data.decode(errors="replace")
        if packet.topic != DTMF_TOPIC or not KEYS.fullmatch(digits):
            return
        # Only LiveKit's server, which VoiceOps asks, has no participant.
        if packet.participant is None:
            task = asyncio.get_running_loop().create_task(self.send_digits(digits))
            self._pressing.add(task)
            task.add_done_callback(self._pressing.discard)
        elif packet.participant.identity == self.callee.identity:
            for digit in digits.replace("w", ""):
                handler(digit)

    async def wait_for_answer(self) -> bool:
        return await self.callee.wait_for_answer()

    def _see(self, participant: "rtc.Participant") -> None:
        if participant.kind == TELEPHONE_KIND:
            self.callee.see(participant.identity, participant.attributes)
        elif participant.kind == BROWSER_KIND:
            self.callee.see(participant.identity, None)

    def _lose(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == COLLEAGUE:
            self.callee.lose_colleague()
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

    async def call_in(self, number: str) -> Transfer:
        async with self._music_on_hold():
            return await call_in(self.server, self.room.name, self.callee, number)

    @asynccontextmanager
    async def _music_on_hold(self) -> AsyncIterator[None]:
        player = BackgroundAudioPlayer()
        await player.start(room=self.room)
        player.play(AudioConfig(BuiltinAudioClip.HOLD_MUSIC, volume=HOLD_VOLUME), loop=True)
        try:
            yield
        finally:
            await player.aclose()

    async def send_digits(self, digits: str) -> None:
        """Press keys: as tones on a telephone, and as text for a browser, which has none."""
        if not self.is_telephone:
            destination = [self.callee.identity]
            await self.room.local_participant.publish_data(
                digits, topic=DTMF_TOPIC, destination_identities=destination
            )
            return
        for digit in digits:
            if digit == "w":
                await asyncio.sleep(KEY_WAIT_SECONDS)
                continue
            await self.room.local_participant.publish_dtmf(code=DTMF_CODES[digit], digit=digit)
            await asyncio.sleep(DIGIT_PAUSE_SECONDS)
