"""A model that asks for the end of the call three times ends it once, after its last word."""

import pytest

from voice.tests.acceptance.conversations import BUSY_MACHINE_SECONDS, GOODBYE, Spoken, turns

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.spoken]


async def test_the_goodbye_is_spoken_once_whole_and_then_the_line_is_closed(
    spoken: Spoken,
) -> None:
    result = await spoken.result("ends three times")

    sentences = turns(result.events)
    assert [turn["text"] for turn in sentences][-1:] == [GOODBYE]
    assert [turn["text"] for turn in sentences].count(GOODBYE) == 1
    assert sentences[-1]["interrupted"] is False
    assert result.heard[-1]["word_error_rate"] == 0.0
    # Not at once, because the callee's network still plays it.
    assert 0.5 <= result.last_word_to_hang_up <= 2.5 + BUSY_MACHINE_SECONDS
    assert result.reason == "agent_hangup"
