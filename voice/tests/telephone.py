"""A telephone without SIP: a participant over WebRTC whom everybody takes for one."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from livekit import api, rtc

from voice.bench.world import free_port, stop
from voice.lines.waiting import STATUS
from voice.providers.local_voice import LocalTTS
from voice.providers.sound import HEARING_RATE, SPEAKING_RATE, resample
from voice.settings import EXAMPLE_KEY, EXAMPLE_SECRET

TELEPHONE_FRAME_SAMPLES = HEARING_RATE // 50
# Louder than what an encoder makes of silence.
AUDIBLE = 300
MEDIA_START_SECONDS = 20.0


@asynccontextmanager
async def running_media_server(folder: Path) -> AsyncIterator[str]:
    """Run LiveKit's own server on loopback, and return its address."""
    port = free_port()
    config = folder / "livekit.yaml"
    rtc_settings = {"tcp_port": free_port(), "udp_port": free_port(), "node_ip": "127.0.0.1"}
    settings = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "rtc": {**rtc_settings, "use_external_ip": False, "enable_loopback_candidate": True},
        "keys": {EXAMPLE_KEY: EXAMPLE_SECRET},
        "logging": {"level": "error"},
    }
    config.write_text(yaml.safe_dump(settings))
    process = await asyncio.create_subprocess_exec(
        os.environ["LIVEKIT_SERVER_BIN"],
        *("--config", str(config)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(MEDIA_START_SECONDS):
            while not await _listens(port):
                assert process.returncode is None, "The media server ended"
                await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        await stop(process)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Telephone:
    """Rings from `join` on, until `answer`. `left` is set when LiveKit has hung up."""

    def __init__(self, url: str, room: str) -> None:
        self.url = url.replace("http", "ws", 1)
        self.room = rtc.Room()
        self.left = asyncio.Event()
        self.left_at = 0.0
        self.heard_at: list[float] = []
        self.keys: list[str] = []
        token = api.AccessToken(EXAMPLE_KEY, EXAMPLE_SECRET).with_identity("callee")
        grants = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
        self._token = (
            token.with_kind("sip").with_attributes({STATUS: "ringing"}).with_grants(grants)
        )
        self._source = rtc.AudioSource(HEARING_RATE, 1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        self.room.on("track_subscribed", lambda track, *_: self._spawn(self._listen(track)))
        self.room.on("disconnected", self._on_disconnected)
        self.room.on("sip_dtmf_received", lambda tone: self.keys.append(tone.digit))
        await self.room.connect(self.url, self._token.to_jwt())
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        await self.room.local_participant.publish_track(track)

    async def answer(self) -> None:
        await self.room.local_participant.set_attributes({STATUS: "active"})

    async def speak(self, text: str) -> None:
        """Say a text, and return when it is over."""
        samples = resample(await LocalTTS().speak(text), SPEAKING_RATE, HEARING_RATE)
        # Silence at the end, by which the agent knows that the sentence is over.
        padded = np.pad(samples, (0, HEARING_RATE))
        for start in range(0, len(padded) - TELEPHONE_FRAME_SAMPLES, TELEPHONE_FRAME_SAMPLES):
            data = padded[start : start + TELEPHONE_FRAME_SAMPLES].astype("<i2").tobytes()
            await self._source.capture_frame(
                rtc.AudioFrame(data, HEARING_RATE, 1, TELEPHONE_FRAME_SAMPLES)
            )

    async def press(self, digit: str) -> None:
        await self.room.local_participant.publish_dtmf(code=int(digit), digit=digit)

    async def hang_up(self) -> None:
        await self.room.disconnect()
        for task in self._tasks:
            task.cancel()

    async def _listen(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track):
            if np.abs(np.frombuffer(event.frame.data, "<i2")).max(initial=0) > AUDIBLE:
                self.heard_at.append(time.monotonic())

    def _on_disconnected(self, reason: int) -> None:
        self.left_at = time.monotonic()
        self.left.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
