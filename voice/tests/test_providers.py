import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import numpy as np
import pytest
from livekit.agents import llm, tts

from voice.agent_config import AgentConfig
from voice.doctor import provider_lines
from voice.providers.errors import ProviderError
from voice.providers.local_ears import PhraseRecognizer, spoken_form, word_errors
from voice.providers.local_voice import LocalTTS
from voice.providers.registry import PROVIDERS, make, make_parts
from voice.providers.rules import RuleLLM
from voice.providers.sound import SPEAKING_RATE, resample, through_telephone

Config = Callable[..., AgentConfig]
SPOKEN_LINES = [
    "Yes, this is Maria.",
    "No, can we do Friday?",
    "Please leave a message after the tone.",
    "At 10 on Monday, please.",
    "Take me off your list.",
]
ENVIRONMENTS = {
    "openai": {"OPENAI_API_KEY": "k"},
    "anthropic": {"ANTHROPIC_API_KEY": "k"},
    "google": {"GOOGLE_API_KEY": "k"},
    "azure": {"AZURE_SPEECH_KEY": "k", "AZURE_SPEECH_REGION": "westeurope"},
    "deepgram": {"DEEPGRAM_API_KEY": "k"},
    "cartesia": {"CARTESIA_API_KEY": "k"},
    "elevenlabs": {"ELEVEN_API_KEY": "k"},
    "groq": {"GROQ_API_KEY": "k"},
    "aws": {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"},
    "openai_compatible": {"VOICE_OPENAI_BASE_URL": "http://127.0.0.1:1/v1"},
    "local": {},
}
# Google's speech wants a file with an account, and Amazon's streams need their own package.
NEEDS_MORE = {("google", "stt"), ("google", "tts"), ("aws", "stt")}


def test_this_environment_has_no_django() -> None:
    assert importlib.util.find_spec("django") is None
    assert "celery" not in sys.modules


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name, provider in PROVIDERS.items() for kind in provider.parts],
)
async def test_every_provider_can_be_built_from_its_keys(
    name: str, kind: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (name, kind) in NEEDS_MORE:
        pytest.skip("needs more than a key")
    for key, value in ENVIRONMENTS[name].items():
        monkeypatch.setenv(key, value)
    model = {"model": "some-model"} if name == "openai_compatible" else {}
    phrases = {"phrases": ["Hello"]} if (name, kind) == ("local", "stt") else {}

    # The framework's own session belongs to a job.
    async with aiohttp.ClientSession() as session:
        monkeypatch.setattr("livekit.agents.utils.http_context.http_session", lambda: session)
        made = make(kind, {"provider": name, **model, **phrases}, config())

    bases = {"llm": llm.LLM, "tts": tts.TTS}
    assert isinstance(made, bases.get(kind, object))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"provider": "elevenlabs"}, "elevenlabs has no llm; it has stt, tts"),
        ({"provider": "openai"}, "openai needs OPENAI_API_KEY in this worker's environment"),
        ({"provider": "acme"}, "No worker here knows the provider 'acme'; there are "),
        (
            {"provider": "openai_compatible", "base_url": "http://10.0.0.1/v1"},
            "openai_compatible needs VOICE_OPENAI_BASE_URL in this worker's environment",
        ),
        (
            {"provider": "local", "rules": [{"hears": "("}]},
            "Rule 1 of the local model: missing ), unterminated subpattern at position 0",
        ),
    ],
)
def test_what_is_missing_is_one_sentence(
    options: dict[str, Any], sentence: str, config: Config
) -> None:
    with pytest.raises(ProviderError) as caught:
        make("llm", options, config())

    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("option", ["base_url", "api_key", "http_session", "client"])
def test_an_agent_cannot_direct_the_workers_keys_elsewhere(
    option: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")

    with pytest.raises(ProviderError, match=f"^`llm.{option}` is set in the worker's environment"):
        make("llm", {"provider": "openai", option: "https://evil.example.com"}, config())


def test_an_unknown_option_is_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")

    with pytest.raises(ProviderError, match=r"^openai has no option warmth for `llm`$"):
        make("llm", {"provider": "openai", "warmth": 1}, config())


def test_fallbacks_are_tried_in_their_order(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    options = {"provider": "openai", "model": "gpt-4o", "fallbacks": [{"provider": "local"}]}

    made = make("llm", options, config())

    assert isinstance(made, llm.FallbackAdapter)
    assert isinstance(made._llm_instances[1], RuleLLM)


def test_a_talk_in_text_needs_a_model_only(config: Config) -> None:
    parts = make_parts(config(tts={"provider": "elevenlabs"}), has_sound=False)

    assert (parts.stt, parts.tts, parts.vad) == (None, None, None)


def test_the_doctor_has_a_line_for_each_provider() -> None:
    lines = provider_lines()

    assert len(lines) == len(PROVIDERS)
    assert any(line.startswith("✓ local") for line in lines)
    assert (
        "- openai             not ready: openai needs OPENAI_API_KEY in this worker's environment"
        in (lines)
    )


@pytest.mark.spoken
@pytest.mark.parametrize("by_telephone", [False, True])
async def test_what_the_local_voice_speaks_the_local_ears_hear(by_telephone: bool) -> None:
    voice, ears = (
        LocalTTS(),
        PhraseRecognizer([*SPOKEN_LINES, "Yes, this is Martha.", "No, thank you."]),
    )

    for line in SPOKEN_LINES:
        samples = await voice.speak(line)
        heard = through_telephone(samples, SPEAKING_RATE) if by_telephone else samples
        assert await ears.recognize(heard, SPEAKING_RATE) == line


async def test_silence_is_not_understood_as_a_phrase() -> None:
    silence = np.zeros(SPEAKING_RATE, np.int16)

    assert await PhraseRecognizer(SPOKEN_LINES).recognize(silence, SPEAKING_RATE) == ""


def test_ears_without_phrases_are_refused() -> None:
    with pytest.raises(ProviderError, match=r"^The local ears need `stt.phrases`"):
        PhraseRecognizer([])


def test_numbers_are_pronounced() -> None:
    assert spoken_form("At 10, call 42!") == "at ten call four two"


def test_words_are_counted_as_wrong_once() -> None:
    assert word_errors(["a", "b", "c", "d"], ["a", "x", "c"]) == 2


def test_a_change_of_rate_keeps_the_length_and_the_tone() -> None:
    tone = (np.sin(np.arange(24_000) * 2 * np.pi * 440 / 24_000) * 10_000).astype(np.int16)

    narrow = resample(tone, 24_000, 8_000)

    crossings = np.count_nonzero(np.diff(np.signbit(narrow)))
    assert len(narrow) == 8_000
    assert abs(crossings - 880) <= 4
