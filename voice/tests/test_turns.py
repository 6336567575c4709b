"""What is reported of turns, and of providers that fail."""

from collections.abc import Callable
from typing import Any

import pytest
from livekit.agents import APIConnectionError, llm
from livekit.agents.types import APIConnectOptions

from voice.agent_config import AgentConfig
from voice.conversation.figures import Latency
from voice.conversation.secrets import mask_headers
from voice.conversation.turns import TurnRecorder
from voice.journal import Journal
from voice.providers.registry import PROVIDERS, Provider
from voice.providers.rules import RuleLLM
from voice.tests.talks import of_type, talk_in_text, texts

CALLEE_METRICS = {"transcription_delay": 0.2, "end_of_turn_delay": 0.5, "started_speaking_at": 10.0}
CALLEE_METRICS |= {"stopped_speaking_at": 12.0}
AGENT_METRICS = {"llm_node_ttft": 0.1, "tts_node_ttfb": 0.05, "e2e_latency": 0.7}


class LLM(RuleLLM):
    """A provider whose server is down."""

    provider = "down"

    def chat(self, **options: Any) -> llm.LLMStream:
        return _Down(
            self,
            chat_ctx=options["chat_ctx"],
            tools=[],
            conn_options=APIConnectOptions(max_retry=0),
        )


class _Down(llm.LLMStream):
    async def _run(self) -> None:
        raise APIConnectionError("nobody listens")


def message(role: llm.ChatRole, text: str, metrics: Any) -> llm.ChatMessage:
    return llm.ChatMessage(role=role, content=[text], metrics=metrics)


def test_the_agents_turn_has_all_that_the_callee_waited_for() -> None:
    journal = Journal()
    recorder = TurnRecorder(journal, "de-DE", heard_language="de")
    recorder.add(message("user", "Hallo?", CALLEE_METRICS))
    recorder.add(message("assistant", "Guten Tag.", AGENT_METRICS))

    question, answer = journal.events
    assert "latency" not in question
    assert question["started_at"] == "1970-01-01T00:00:10.000Z"
    assert question["ended_at"] == "1970-01-01T00:00:12.000Z"
    assert (question["language"], answer["language"]) == ("de", "de-DE")
    assert answer["latency"] == {
        "end_of_turn": 0.5,
        "stt": 0.2,
        "llm": 0.1,
        "tts": 0.05,
        "total": 0.7,
    }


def test_in_text_the_models_time_is_all_that_passes() -> None:
    recorder = TurnRecorder(Journal(), "en-US", has_sound=False)
    recorder.add(message("assistant", "Hello.", {"llm_node_ttft": 0.25}))

    assert recorder.journal.events[0]["latency"] == {"llm": 0.25, "total": 0.25}


def test_a_message_without_words_is_no_turn() -> None:
    recorder = TurnRecorder(Journal(), "en-US")
    recorder.add(message("system", "Be brief.", {}))
    recorder.add(message("assistant", " ", {}))

    assert recorder.journal.events == []


def test_an_opening_has_no_latency_of_an_answer() -> None:
    latency = Latency()

    assert latency.record("assistant", {"tts_node_ttfb": 0.05}) == {"tts": 0.05}
    assert latency.summary() == {}


async def test_a_provider_that_fails_is_reported_and_the_next_one_answers(
    config: Callable[..., AgentConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, "down", Provider("down", __name__, (), ("llm",)))
    fallback = {"provider": "local", "otherwise": "I am the other one."}
    options = {"provider": "down", "fallbacks": [fallback]}

    talk = await talk_in_text(config(llm=options), ["Hello", "Hello again"])

    assert of_type(talk.journal.events, "error") == [
        {
            "type": "error",
            "part": "llm",
            "provider": "down",
            "text": "It failed, and the next one takes over",
            "fallback": True,
        }
    ]
    sentences = [text for role, text in texts(talk.journal.events) if role == "agent"]
    assert sentences[1:] == ["I am the other one.", "I am the other one."]
    [usage] = [event for event in talk.journal.events if event["type"] == "usage"]
    assert "local" in {item["provider"] for item in usage["items"]}


async def test_a_provider_without_a_fallback_is_reported_as_what_failed(
    config: Callable[..., AgentConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, "down", Provider("down", __name__, (), ("llm",)))

    talk = await talk_in_text(config(llm={"provider": "down"}), ["Hello"])

    errors = of_type(talk.journal.events, "error")
    assert errors[0]["part"] == "llm"
    assert {error["text"] for error in errors} == {"APIConnectionError"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("key: Bearer abcdef", "key: ********"),
        ("key: abcdef", "key: ********"),
        ("application/json", "application/json"),
        ("an ab in words", "an ab in words"),
    ],
)
def test_values_of_headers_are_masked_where_they_come_back(text: str, masked: str) -> None:
    headers = {"Authorization": "Bearer abcdef", "Accept": "application/json", "X-Shop": "ab"}

    assert mask_headers(text, headers) == masked
