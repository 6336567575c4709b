"""A rehearsal tells a changed agent from the one that it was: in text, and at once."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from voice.command_line import main
from voice.rehearsal.command import DEMO
from voice.rehearsal.run import rehearse
from voice.rehearsal.script import read_rehearsal

POLITE_SCRIPT = {
    "label": "is not hung up on",
    "tags": ["smoke"],
    "caller": [{"says": "Who are you?", "expect": {"not_tool": "end_call"}}],
}
ONLY_END_CALL = [{"type": "end_call", "name": "end_call"}]
MAX_SECONDS = 5.0


def write(folder: Path, *rules: dict[str, Any]) -> str:
    agent = {"llm": {"provider": "local", "rules": list(rules)}, "tools": ONLY_END_CALL}
    file = folder / "rehearsal.json"
    file.write_text(json.dumps({"agent": agent, "scripts": [POLITE_SCRIPT]}))
    return str(file)


def test_a_tool_that_must_not_be_used_fails_until_the_agent_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rude = write(tmp_path, {"hears": "who", "says": "Nobody.", "tool": "end_call"})
    assert main(["rehearse", "--script", "smoke", "--json", rude]) == 1
    [result] = json.loads(capsys.readouterr().out)["scripts"]
    assert result["failures"] == ["the agent used end_call"]

    polite = write(tmp_path, {"hears": "who", "says": "The practice."})
    assert main(["rehearse", "--script", "smoke", "--json", polite]) == 0


async def test_a_hundred_scripts_end_within_five_seconds() -> None:
    rehearsal = read_rehearsal(DEMO)
    script = next(script for script in rehearsal.scripts if script.label == "another day")
    await rehearse(rehearsal, script)

    began = time.process_time()
    results = [await rehearse(rehearsal, script) for _ in range(100)]

    # Of this process alone: the machine may have other things to do.
    assert time.process_time() - began <= MAX_SECONDS
    assert all(result.passed for result in results)
