import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from voice.agent_config import AgentConfig, read_agent

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
