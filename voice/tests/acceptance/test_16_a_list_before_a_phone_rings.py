"""A whole list is called on the sandbox, and the agent itself talks with callees of a script."""

from typing import Any

import pytest

from voice.bench.world import Worker
from voice.rehearsal.script import Script
from voice.tests.installation import Installation, eventually
from voice.worker.callee_scripts import PLAYED_MACHINE, PLAYED_TALKER, choose_script

REMINDING_AGENT = {
    "name": "Reminder",
    "first_message": "Does Tuesday suit you?",
    "llm": {
        "provider": "local",
        "rules": [
            {"hears": "how about", "says": "Friday it is. Is that all?"},
            {"hears": "of course", "says": "Goodbye.", "tool": "end_call"},
        ],
    },
    "tools": [{"type": "end_call", "name": "end_call"}],
    "voicemail": {"action": "leave_message", "message": "Please call us back."},
}
WANTS_FRIDAY, MACHINE_NUMBER = "+13055550197", "+13055550178"


@pytest.mark.waiting
@pytest.mark.control_plane
@pytest.mark.asyncio(loop_scope="session")
async def test_each_number_is_talked_through_by_its_script(crowded: Installation) -> None:
    agent_id = await crowded.publish(REMINDING_AGENT)
    batch = await crowded.start_batch(agent_id, [WANTS_FRIDAY, MACHINE_NUMBER])

    async def completed() -> Any:
        return (await crowded.get(f"/batches/{batch}"))["status"] == "completed"

    await eventually(completed, 60.0)
    calls = (await crowded.get(f"/calls?batch_id={batch}"))["items"]
    by_number = {call["to"]: call for call in calls}
    talked = await crowded.turns(by_number[WANTS_FRIDAY]["id"])
    assert {number: call["outcome"] for number, call in by_number.items()} == {
        WANTS_FRIDAY: "answered",
        MACHINE_NUMBER: "voicemail",
    }
    assert [(turn["role"], turn["text"]) for turn in talked] == [
        ("callee", "Hello?"),
        ("agent", "Does Tuesday suit you?"),
        ("callee", "How about Friday?"),
        ("agent", "Friday it is. Is that all?"),
        ("callee", "Yes, of course"),
        ("agent", "Goodbye."),
    ]


def test_without_scripts_the_numbers_of_machines_are_machines() -> None:
    own = (Script("first"), Script("second"))

    assert choose_script((), "75") is PLAYED_MACHINE
    assert choose_script((), "74") is PLAYED_TALKER
    assert choose_script((), "") is PLAYED_TALKER
    assert [choose_script(own, digits).label for digits in ("04", "05")] == ["first", "second"]


async def test_a_file_without_scripts_is_named_at_the_start(tmp_path: Any) -> None:
    file = tmp_path / "callees.yaml"
    file.write_text("scripts: []")
    worker = Worker("http://127.0.0.1:1", tmp_path, VOICE_CALLEES=str(file))

    with pytest.raises(AssertionError, match="The worker ended"):
        await worker.start()

    assert worker.process is not None
    assert await worker.process.wait() == 2
