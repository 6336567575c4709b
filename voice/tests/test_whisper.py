"""The ears that understand whatever is said in English: optional, so that they may be missing."""

import re
from collections.abc import Callable

import pytest
from livekit import rtc
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from voice.agent_config import AgentConfig
from voice.providers import local_whisper
from voice.providers.errors import ProviderError
from voice.providers.local_abilities import find_local_faults
from voice.providers.local_ears import spoken_form, word_errors
from voice.providers.local_voice import LocalTTS
from voice.providers.registry import make
from voice.providers.sound import SPEAKING_RATE, through_telephone

OPEN_SENTENCES = (
    "Could you call me again next week please?",
    "I would like to speak with somebody about the garden.",
    "My neighbour has taken the parcel this morning.",
)
Config = Callable[..., AgentConfig]


@pytest.mark.whisper
@pytest.mark.spoken
async def test_open_speech_is_understood_on_the_telephone(config: Config) -> None:
    ears = make("stt", {"provider": "local", "model": "whisper"}, config())
    errors = words = 0
    for sentence in OPEN_SENTENCES:
        samples = through_telephone(await LocalTTS().speak(sentence), SPEAKING_RATE)
        frame = rtc.AudioFrame(samples.tobytes(), SPEAKING_RATE, 1, len(samples))
        event = await ears.recognize(frame, conn_options=DEFAULT_API_CONNECT_OPTIONS)
        expected = spoken_form(sentence).split()
        errors += word_errors(expected, spoken_form(event.alternatives[0].text).split())
        words += len(expected)

    assert errors / words <= 0.25


def test_its_missing_packages_are_one_sentence(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_whisper, "PACKAGES", ("a_package_that_nobody_has",))

    with pytest.raises(ProviderError, match=f"^{re.escape(local_whisper.MISSING_TEXT)}$"):
        make("stt", {"provider": "local", "model": "whisper"}, config())
    assert find_local_faults()[-1].endswith("requirements-worker-whisper.txt")


def test_another_language_is_refused(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_whisper, "PACKAGES", ())

    with pytest.raises(ProviderError, match=r"understand English, not de-DE$"):
        make("stt", {"provider": "local", "model": "whisper"}, config(language="de-DE"))
