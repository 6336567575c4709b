"""Answering machines, menus, screeners and silence."""

from datetime import datetime

import pytest

from voice.journal import Event
from voice.rehearsal.verdict import Result
from voice.tests.acceptance.conversations import (
    BUSY_MACHINE_SECONDS,
    MESSAGE,
    OPENING,
    Spoken,
    one,
    turns,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.spoken]


def seconds_after_greeting(result: Result, time: str) -> float:
    return datetime.fromisoformat(time).timestamp() - result.greeted_at


def reasons(result: Result) -> list[tuple[str, str]]:
    found: list[Event] = [event for event in result.events if event["type"] == "detected"]
    return [(event["kind"], event["reason"]) for event in found]


@pytest.mark.parametrize("action", ["hang_up", "leave_message", "continue"])
async def test_a_machine_is_known_soon_after_its_greeting(action: str, spoken: Spoken) -> None:
    result = await spoken.result(action)

    assert reasons(result) == [("machine", "greeting")]
    assert (
        seconds_after_greeting(result, one(result, "detected")["at"]) <= 2.0 + BUSY_MACHINE_SECONDS
    )


async def test_a_message_begins_after_the_greeting_is_complete_and_the_last(
    spoken: Spoken,
) -> None:
    result = await spoken.result("leave_message")

    [message] = turns(result.events)
    assert (message["text"], message["interrupted"]) == (MESSAGE, False)
    assert seconds_after_greeting(result, message["started_at"]) > 0.0
    assert one(result, "message_left")["complete"] is True
    assert result.heard[0]["word_error_rate"] == 0.0
    assert 1.9 <= result.last_word_to_hang_up <= 4.0 + BUSY_MACHINE_SECONDS
    assert result.reason == "voicemail"


async def test_a_machine_that_is_hung_up_on_hears_nothing(spoken: Spoken) -> None:
    result = await spoken.result("hang_up")

    assert (turns(result.events), result.reason) == ([], "voicemail")


async def test_an_agent_may_go_on_with_a_machine(spoken: Spoken) -> None:
    result = await spoken.result("continue")

    assert [turn["text"] for turn in turns(result.events)][:1] == [OPENING]


async def test_three_seconds_of_silence_are_uncertain_and_spoken_into(spoken: Spoken) -> None:
    result = await spoken.result("silent")

    assert reasons(result) == [("uncertain", "silence")]
    assert 3.0 <= one(result, "detected")["seconds"] <= 3.5 + BUSY_MACHINE_SECONDS
    assert [turn["text"] for turn in turns(result.events)] == [OPENING, "Are you still there?"]
    assert one(result, "usage")["latency"]["answer_to_audio"] <= 4.0 + BUSY_MACHINE_SECONDS
    assert result.reason == "silence"


async def test_keys_lead_through_a_menu_until_a_human_answers(spoken: Spoken) -> None:
    result = await spoken.result("menu")

    assert result.digits == ["1"]
    assert reasons(result)[0] == ("machine", "menu")
    assert reasons(result)[-1][0] == "human"
    assert [turn["text"] for turn in turns(result.events)] == [OPENING]


async def test_a_screener_hears_who_calls_and_why(spoken: Spoken) -> None:
    result = await spoken.result("screened")

    assert reasons(result) == [("screened", "screening")]
    assert [turn["text"] for turn in turns(result.events)] == [
        "This is the practice. It is about an appointment."
    ]
    assert result.reason == "screened"
