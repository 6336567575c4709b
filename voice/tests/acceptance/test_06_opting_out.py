"""Who does not want to be called is suppressed before they are hung up on, and called no more."""

from typing import Any

import pytest

from voice.tests.installation import Installation, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.control_plane]

UNWILLING_CALLEE = "+12125550195"
OPT_OUT_AGENT = {
    "name": "Opting out",
    "first_message": "Hello there.",
    # The callee of the sandbox begins with "who is this".
    "llm": {
        "provider": "local",
        "rules": [{"hears": "who is this", "tool": "opt_out", "then": "I will not call again."}],
    },
    "tools": [{"type": "opt_out", "name": "opt_out"}],
}


async def test_an_opt_out_is_stored_before_the_room_is_gone(installation: Installation) -> None:
    agent_id = await installation.publish(OPT_OUT_AGENT)

    call_id = await installation.call(agent_id, UNWILLING_CALLEE)
    await installation.ended_call(call_id)

    async def whole_call() -> Any:
        # Who hung up may be reported a moment after LiveKit has told of the end.
        found = await installation.get(f"/calls/{call_id}")
        return found if found["hung_up_by"] else None

    call = await eventually(whole_call)
    [suppression] = (await installation.get("/suppressions"))["items"]
    assert suppression["phone_number"] == UNWILLING_CALLEE
    assert suppression["created_at"] < call["ended_at"]
    assert (call["outcome"], call["hung_up_by"]) == ("answered", "agent")
    spoken = [turn["text"] for turn in await installation.turns(call["id"])]
    assert spoken[-1] == "I will not call again."
    with pytest.raises(AssertionError, match="uppress"):
        await installation.call(agent_id, UNWILLING_CALLEE)
    assert await installation.dials(UNWILLING_CALLEE) == 1
