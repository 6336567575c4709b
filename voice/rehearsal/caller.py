"""The callee of a spoken rehearsal: a mouth that the agent hears, and an ear that hears it.

Both work in real time, as a telephone does. Sound is 16 bits, one channel.
"""

import asyncio
import time
from collections.abc import Callable

import numpy as np
from livekit import rtc
from livekit.agents.voice import io

from voice.providers.sound import HEARING_RATE, SPEAKING_RATE, Samples

FRAME_SECONDS = 0.02
FRAME_SAMPLES = int(HEARING_RATE * FRAME_SECONDS)


class Mouth(io.AudioInput):
    """The line towards the agent: silence, and what it is given to speak."""

    def __init__(self) -> None:
        super().__init__(label="callee's mouth")
        self._waiting = np.zeros(0, np.int16)
        self._due: float | None = None
        self.stopped_at = 0.0

    def speak(self, samples: Samples) -> None:
        """Speak samples at HEARING_RATE, after what is still being said."""
        self._waiting = np.concatenate([self._waiting, samples])

    @property
    def is_speaking(self) -> bool:
        return len(self._waiting) > 0

    async def __anext__(self) -> rtc.AudioFrame:
        self._due = (self._due or time.perf_counter()) + FRAME_SECONDS
        await asyncio.sleep(max(0.0, self._due - time.perf_counter()))
        frame, self._waiting = self._waiting[:FRAME_SAMPLES], self._waiting[FRAME_SAMPLES:]
        if len(frame) and not len(self._waiting):
            self.stopped_at = time.monotonic()
        padded = np.pad(frame, (0, FRAME_SAMPLES - len(frame)))
        return rtc.AudioFrame(padded.astype("<i2").tobytes(), HEARING_RATE, 1, FRAME_SAMPLES)


class Ear(io.AudioOutput):
    """Plays what the agent says at the speed of speech, and keeps it; `on_sound` gets it, too."""

    def __init__(self, on_sound: Callable[[bytes], None] | None = None) -> None:
        super().__init__(
            label="callee's ear",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=SPEAKING_RATE,
        )
        self.spoken: list[bytes] = []
        self.began_at: list[float] = []
        self.on_sound = on_sound
        self.on_stop: Callable[[], None] | None = None
        self._since: float | None = None
        self._seconds = 0.0
        self._end: asyncio.Task[None] | None = None

    @property
    def is_hearing(self) -> bool:
        """Whether the agent speaks now."""
        return self._since is not None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._since is None:
            self._since, self._seconds = time.time(), 0.0
            self.spoken.append(b"")
            self.began_at.append(time.monotonic())
            self.on_playback_started(created_at=self._since)
        data = bytes(frame.data)
        self.spoken[-1] += data
        self._seconds += frame.duration
        if self.on_sound is not None:
            self.on_sound(data)

    def flush(self) -> None:
        super().flush()
        if self._since is not None:
            remaining = self._since + self._seconds - time.time()
            self._end = asyncio.get_running_loop().create_task(self._play_out(remaining))

    async def _play_out(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
        self._since = None
        self.on_playback_finished(playback_position=self._seconds, interrupted=False)

    def clear_buffer(self) -> None:
        """Stop at once: the callee has interrupted."""
        if self._since is None:
            return
        if self._end is not None:
            self._end.cancel()
        heard = min(time.time() - self._since, self._seconds)
        self._since = None
        # What had been generated ahead was never heard.
        self.spoken[-1] = self.spoken[-1][: int(heard * SPEAKING_RATE) * 2]
        if self.on_stop is not None:
            self.on_stop()
        self.on_playback_finished(playback_position=heard, interrupted=True)
