"""What local ears have in common: a whole utterance in, a text out."""

from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectOptions, LanguageCode, stt, utils
from livekit.agents.types import NOT_GIVEN, NotGivenOr

from voice.providers.sound import Samples


class UtteranceSTT(stt.STT[Any]):
    """Recognises one utterance at a time. The session finds where speech begins and ends."""

    def __init__(self, *, language: str) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self.language = language

    @property
    def provider(self) -> str:
        return "local"

    async def recognize_samples(self, samples: Samples, rate: int) -> str:
        """Return what was said, or an empty text."""
        raise NotImplementedError

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        frame = rtc.combine_audio_frames(buffer)
        samples = np.frombuffer(frame.data, "<i2")[:: frame.num_channels]
        text = await self.recognize_samples(samples, frame.sample_rate)
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT,
            alternatives=[stt.SpeechData(language=LanguageCode(self.language), text=text)],
        )
