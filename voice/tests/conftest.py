import json
import logging
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from voice.agent_config import AgentConfig, read_agent
from voice.providers.local_whisper import has_whisper
from voice.rehearsal.run import rehearse
from voice.rehearsal.script import read_rehearsal
from voice.rehearsal.verdict import Result
from voice.tests.control_plane import ControlPlane
from voice.tests.installation import CONTROL_PLANE_PYTHON
from voice.worker.spool import Header, Spool

# A worker's environment may have keys; tests run without.
SECRET_VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPGRAM_API_KEY", "ELEVEN_API_KEY")

TEST_RULES = [
    {"hears": "yes", "says": "Good. Goodbye.", "tool": "end_call"},
    {
        "hears": r"how about (\w+)",
        "tool": "move",
        "arguments": {"day": r"\1"},
        "then": "It is moved.",
        "else": "That did not work.",
    },
    {"hears": "off your list", "tool": "opt_out", "then": "You will not be called again."},
    {"hears": "somebody else", "tool": "transfer", "else": "Nobody is free."},
]
TOOLS = [
    {"type": "end_call", "name": "end_call"},
    {"type": "end_call", "name": "opt_out"},
    {"type": "webhook", "name": "move", "url": "https://practice.example.com/move"},
    {
        "type": "transfer_call",
        "name": "transfer",
        "destinations": [{"name": "desk", "number": "+12025550170"}],
    },
]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in SECRET_VARIABLES:
        monkeypatch.delenv(key, raising=False)
    logging.getLogger("livekit.agents").setLevel(logging.ERROR)


@pytest.fixture
def agent() -> Callable[..., dict[str, Any]]:
    """Return a builder of an agent's configuration."""

    def build(**changes: Any) -> dict[str, Any]:
        config: dict[str, Any] = {
            "name": "Tester",
            "system_prompt": "You call {{name}}.",
            "first_message": "Hello {{name}}, does Tuesday suit you?",
            "llm": {"provider": "local", "rules": TEST_RULES, "otherwise": "Pardon?"},
            "stt": {"provider": "local", "phrases": ["Hello?"]},
            "tts": {"provider": "local"},
            "tools": TOOLS,
        }
        # A copy, as a job's metadata is.
        copied: dict[str, Any] = json.loads(json.dumps({**config, **changes}))
        return copied

    return build


@pytest.fixture
def config(agent: Callable[..., dict[str, Any]]) -> Callable[..., AgentConfig]:
    """Return a builder of a configuration that a conversation reads."""

    def build(**changes: Any) -> AgentConfig:
        return read_agent(agent(**changes), {"name": "Maria"})

    return build


@pytest.fixture
def play(agent: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that rehearses a script in text, with changes of the agent."""

    async def run(script: dict[str, Any], **changes: Any) -> Result:
        file = tmp_path / "rehearsal.json"
        variables = {"name": "Maria"}
        data = {"agent": agent(**changes), "variables": variables, "scripts": [script]}
        file.write_text(json.dumps(data))
        rehearsal = read_rehearsal(file)
        return await rehearse(rehearsal, rehearsal.scripts[0])

    return run


@pytest.fixture
async def control_plane() -> AsyncIterator[ControlPlane]:
    plane = ControlPlane()
    application = web.Application(client_max_size=2**22)
    application.router.add_post("/report", plane.report)
    async with TestServer(application) as server:
        plane.url = str(server.make_url("/report"))
        yield plane


@pytest.fixture
def make_spool(tmp_path: Path) -> Callable[..., Spool]:
    def make(url: str, call_id: str = "call") -> Spool:
        return Spool.create(tmp_path / "spool", Header(call_id, f"vo-{call_id}", url, "token", 1))

    return make


# What some tests need that may be missing, and the marker of these tests.
NEEDS = {
    "media": (
        os.environ.get("LIVEKIT_SERVER_BIN"),
        "no media server: LIVEKIT_SERVER_BIN is not set, so nothing was tried over WebRTC",
    ),
    "whisper": (
        has_whisper(),
        "no Whisper: requirements-worker-whisper.txt is not installed",
    ),
    "control_plane": (
        CONTROL_PLANE_PYTHON.exists(),
        "no control plane: .venv is not installed (make test), so nothing was tried through it",
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (is_there, reason) in NEEDS.items():
            if item.get_closest_marker(marker) and not is_there:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say aloud what was skipped, and why: a line of dots hides it."""
    skipped = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    for _, reason in NEEDS.values():
        count = sum(reason in text for text in skipped)
        if count:
            terminalreporter.write_line(f"SKIPPED {count} tests: {reason}", yellow=True, bold=True)
