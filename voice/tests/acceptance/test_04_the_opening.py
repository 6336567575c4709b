"""A callee who speaks while it is found out who answered still hears the opening whole, once."""

import pytest

from voice.tests.acceptance.conversations import OPENING, Spoken, turns

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.spoken]


async def test_the_opening_is_spoken_whole_once_and_before_any_reply(spoken: Spoken) -> None:
    result = await spoken.result("greets early")

    sentences = turns(result.events)
    assert [turn["text"] for turn in sentences] == [OPENING, "The practice of Doctor Bell."]
    assert [turn["interrupted"] for turn in sentences] == [False, False]
    assert result.heard[0]["word_error_rate"] == 0.0
    assert [turn["text"] for turn in turns(result.events, "callee")] == [
        "Yes, this is Maria",
        "Who is calling?",
    ]


async def test_a_turn_has_its_end_its_language_and_its_latency(
    spoken: Spoken,
) -> None:
    result = await spoken.result("greets early")

    [_, answer], [_, question] = turns(result.events), turns(result.events, "callee")
    assert question["started_at"] < question["ended_at"] <= answer["started_at"]
    assert answer["started_at"] < answer["ended_at"]
    assert (question["language"].lower(), answer["language"]) == ("en-us", "en-US")
    assert set(answer["latency"]) == {"end_of_turn", "stt", "llm", "tts", "total"}
    assert "latency" not in question
    assert answer["latency"]["total"] >= answer["latency"]["end_of_turn"]
