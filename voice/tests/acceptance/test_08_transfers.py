"""A transfer that fails is told to the model, and the talk goes on; one that succeeds ends it."""

from typing import Any

import pytest

from voice.bench.world import STAYING_CALLEE, World, becomes_true
from voice.tests.talks import of_type

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUSY, FREE = "+12025550170", "+12025550100"
STAYING_COLLEAGUE = "+12025550295"


def agent(number: str, method: str) -> dict[str, Any]:
    return {
        "first_message": "Hello there.",
        "llm": {
            "provider": "local",
            "rules": [{"hears": "who is this", "tool": "transfer", "else": "Nobody is free."}],
            "otherwise": "I see.",
        },
        "tools": [
            {
                "type": "transfer_call",
                "name": "transfer",
                "method": method,
                "destinations": [{"name": "desk", "number": number}],
            }
        ],
        "silence_timeout_seconds": 600,
    }


@pytest.mark.parametrize("method", ["refer", "join"])
async def test_the_model_hears_of_a_busy_line_and_the_talk_goes_on(
    method: str, world: World
) -> None:
    call_id = await world.call(STAYING_CALLEE, agent(BUSY, method))
    await becomes_true(lambda: ("agent", "I see.") in world.texts(call_id))

    events = world.events[call_id]
    assert of_type(events, "transfer") == [
        {"type": "transfer", "to": BUSY, "status": "failed", "sip_status_code": 486}
    ]
    [call] = of_type(events, "tool_call")
    assert call["result"].startswith("The transfer did not succeed: ")
    assert call["failed"] is True
    assert ("agent", "Nobody is free.") in world.texts(call_id)
    assert world.reason(call_id) is None
    await world.delete_room(call_id)


async def test_a_callee_is_handed_over(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, agent(FREE, "refer"))
    await becomes_true(lambda: world.reason(call_id) is not None)

    assert world.reason(call_id) == "transferred"
    assert of_type(world.events[call_id], "transfer")[0]["status"] == "transferred"
    assert f"vo-{call_id}" not in await world.rooms()


async def test_a_colleague_joins_and_the_call_ends_when_they_hang_up(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, agent(STAYING_COLLEAGUE, "join"))
    await becomes_true(lambda: "transfer" in world.types(call_id))

    assert world.reason(call_id) is None
    assert await world.participants(call_id) >= {"callee", "colleague"}
    await world.remove(call_id, "colleague")
    await becomes_true(lambda: world.reason(call_id) is not None)
    assert world.reason(call_id) == "transferred"
    # The agent has listened in silence.
    sentences = [text for role, text in world.texts(call_id) if role == "agent"]
    assert sentences == ["Hello there."]
    assert f"vo-{call_id}" not in await world.rooms()
