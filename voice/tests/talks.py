"""Conversations in text whose tools are real, unlike a rehearsal's."""

from collections.abc import Sequence
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.testing import fake_job_context

from voice.agent_config import AgentConfig
from voice.clock import VirtualClock
from voice.conversation.persona import Persona
from voice.conversation.talk import Talk
from voice.journal import Event, Journal
from voice.lines.line import MemoryLine
from voice.providers.registry import make_parts


async def start(session: "AgentSession[Any]", agent: Persona) -> None:
    await session.start(agent, record=False)


async def talk_in_text(
    config: AgentConfig, lines: Sequence[str], *, permits_private: bool = False
) -> Talk:
    """Let the callee say some lines, hang up, and return the whole talk."""
    with fake_job_context():
        line = MemoryLine()
        talk = Talk(
            config,
            make_parts(config, has_sound=False),
            line,
            Journal(),
            start,
            clock=VirtualClock(),
            has_sound=False,
            permits_private=permits_private,
        )
        try:
            await talk.begin()
            for text in lines:
                if not talk.over.done():
                    await talk.hear(text)
        finally:
            line.leave()
            await talk.close()
    return talk


def of_type(events: Sequence[Event], kind: str) -> list[Event]:
    """Return the events of a type, without what differs from one run to the next."""
    hidden = ("id", "at", "call_id", "seconds", "started_at", "ended_at", "latency")
    return [
        {name: value for name, value in event.items() if name not in hidden}
        for event in events
        if event["type"] == kind
    ]


def texts(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Return who said what."""
    return [(event["role"], event["text"]) for event in events if event["type"] == "turn"]
