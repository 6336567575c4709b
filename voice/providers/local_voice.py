"""The local voice: hibari for English, espeak-ng for other languages; no key, no network."""

import asyncio
import io
import shutil
import subprocess
import wave
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from livekit.agents import APIConnectOptions, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from voice.providers.errors import ProviderError
from voice.providers.sound import SPEAKING_RATE, Samples, resample, to_samples

ESPEAK_TIMEOUT_SECONDS = 20.0
# Model and session are not safe for several threads, and one is faster than real time by far.
ENGINE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-voice")
HIBARI_VOICE = "heart"  # the one inside the package: others would be downloaded


class LocalTTS(tts.TTS[Any]):
    """Speaks with an engine on this machine. `speed` is 1 for the voice's own pace."""

    def __init__(self, *, language: str = "en-US", speed: float = 1.0) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=SPEAKING_RATE,
            num_channels=1,
        )
        self.language = language
        self.speed = speed
        self.engine = choose_engine(language)

    @property
    def model(self) -> str:
        return self.engine

    @property
    def provider(self) -> str:
        return "local"

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Speech(tts=self, input_text=text, conn_options=conn_options)

    async def speak(self, text: str) -> Samples:
        """Return the text as samples at SPEAKING_RATE."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(ENGINE, self._speak, text)

    def _speak(self, text: str) -> Samples:
        if self.engine == "hibari":
            return to_samples(load_hibari()(text, speed=self.speed, seed=0))
        return speak_with_espeak(text, language=self.language, speed=self.speed)


class _Speech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice = self._tts
        assert isinstance(voice, LocalTTS)
        output_emitter.initialize(
            request_id=f"local-{id(self):x}",
            sample_rate=SPEAKING_RATE,
            num_channels=1,
            mime_type="audio/pcm",
        )
        output_emitter.push((await voice.speak(self.input_text)).tobytes())
        output_emitter.flush()


def choose_engine(language: str) -> str:
    """Return `hibari` or `espeak-ng`. Raises ProviderError when neither speaks the language."""
    if language.lower().startswith("en") and has_hibari():
        return "hibari"
    if shutil.which("espeak-ng"):
        return "espeak-ng"
    raise ProviderError(
        f"No local voice speaks {language}: install the program espeak-ng"
        + (", or the package hibari-tts" if language.lower().startswith("en") else "")
    )


@cache
def has_hibari() -> bool:
    """Whether the package with the English voice is installed."""
    try:
        import hibari  # noqa: F401, PLC0415  # optional, and slow to load
    except ImportError:
        return False
    return True


@cache
def load_hibari() -> Any:
    """Return the English voice, loaded once in a process."""
    from hibari import Hibari  # noqa: PLC0415  # optional, and slow to load

    # With one thread it may be loaded before the fork.
    return Hibari(voice=HIBARI_VOICE, threads=1)


def speak_with_espeak(text: str, *, language: str, speed: float) -> Samples:
    """Return the text as samples at SPEAKING_RATE. Raises ProviderError when espeak-ng fails."""
    words_per_minute = str(round(160 * speed))
    command = ["espeak-ng", "--stdout", "-v", language.lower(), "-s", words_per_minute, "--", text]
    try:
        done = subprocess.run(  # noqa: S603  # no shell, and the text follows `--`
            command, capture_output=True, check=True, timeout=ESPEAK_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ProviderError(f"espeak-ng cannot speak {language}: {error}") from error
    with wave.open(io.BytesIO(done.stdout), "rb") as file:
        rate = file.getframerate()
        # The header of a stream does not know its length.
        samples = np.frombuffer(done.stdout[44:], "<i2")
    return resample(samples, rate, SPEAKING_RATE)
