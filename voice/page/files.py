"""A conversation by files: one is played to the agent, the other gets what it says."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from livekit.agents import AgentSession
from livekit.agents.testing import fake_job_context

from voice.agent_config import read_agent
from voice.conversation.persona import Persona
from voice.conversation.talk import Talk
from voice.journal import Event, Journal
from voice.lines.line import MemoryLine
from voice.providers.registry import make_parts
from voice.providers.sound import HEARING_RATE, SPEAKING_RATE, read_wav, write_wav
from voice.rehearsal.caller import Ear, Mouth
from voice.rehearsal.run import complete

# After the end of the microphone's file, until the callee hangs up.
LAST_ANSWER_SECONDS = 12.0


async def talk_by_files(
    agent: Mapping[str, Any],
    variables: Mapping[str, Any],
    microphone: Path | None,
    speaker: Path | None,
) -> int:
    """Talk until the agent or the file ends. Returns 0. Raises ProviderError and ValueError."""
    mouth, ear = Mouth(), Ear()
    if microphone is not None:
        mouth.speak(read_wav(microphone, HEARING_RATE))
    config = read_agent(agent, complete(agent, variables))

    async def start(session: "AgentSession[Any]", persona: Persona) -> None:
        session.input.audio, session.output.audio = mouth, ear
        await session.start(persona, record=False)

    began = time.monotonic()
    with fake_job_context():
        line = MemoryLine(is_telephone=False)
        talk = Talk(config, make_parts(config), line, Journal(print_turn), start, detects=False)
        call = asyncio.get_running_loop().create_task(talk.run())
        while mouth.is_speaking and not call.done():
            await asyncio.sleep(0.1)
        await asyncio.wait({call}, timeout=LAST_ANSWER_SECONDS)
        line.leave()
        await call
    if speaker is not None:
        write_wav(speaker, _timeline(ear, began), SPEAKING_RATE)
    return 0


def _timeline(ear: Ear, began: float) -> Any:
    """Return what the agent said, each sentence at its time."""
    starts = [int((at - began) * SPEAKING_RATE) for at in ear.began_at]
    sounds = [np.frombuffer(data, "<i2") for data in ear.spoken]
    ends = [start + len(sound) for start, sound in zip(starts, sounds, strict=True)]
    whole = np.zeros(max(ends, default=0), np.int16)
    for start, sound in zip(starts, sounds, strict=True):
        whole[start : start + len(sound)] = sound
    return whole


def print_turn(event: Event) -> None:
    """Write what is said, and what goes wrong, to the terminal."""
    if event["type"] == "turn":
        sys.stdout.write(f"{event['role']:>7}: {event['text']}\n")
    elif event["type"] == "error":
        sys.stdout.write(f"         ({event['text']})\n")
    sys.stdout.flush()
