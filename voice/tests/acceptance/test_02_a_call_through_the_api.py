"""A call of the API is talked through by the agent's own rules, and the API shows all of it."""

import json
from typing import Any

import pytest

from voice.bench.world import TALKATIVE_CALLEE
from voice.rehearsal.script import DEMO_AGENT
from voice.tests.installation import Installation, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.control_plane]


async def test_a_call_shows_turns_latency_usage_and_its_end(installation: Installation) -> None:
    agent = json.loads(DEMO_AGENT.read_text())
    agent_id = await installation.publish(agent)

    call_id = await installation.call(agent_id, TALKATIVE_CALLEE)
    await installation.ended_call(call_id)

    async def whole_call() -> Any:
        # Who hung up may be reported a moment after LiveKit has told of the end.
        found = await installation.get(f"/calls/{call_id}")
        return found if found["usage"] and found["hung_up_by"] else None

    call = await eventually(whole_call)
    turns = await installation.turns(call_id)
    events = (await installation.get(f"/calls/{call_id}/events?page_size=200"))["items"]
    assert call["outcome"] == "answered"
    assert call["latency"]["p50"] >= 0.0
    assert len(turns) >= 4
    assert turns[0]["text"].startswith("Hello there, this is the practice")
    answers = [turn for turn in turns if turn["role"] == "agent"][1:]
    assert all(turn["latency"]["total"] >= 0.0 for turn in answers)
    assert {turn["language"] for turn in turns if turn["role"] == "agent"} == {"en-US"}
    assert [(item["kind"], item["provider"], item["model"]) for item in call["usage"]] == [
        ("llm", "local", "rules")
    ]
    assert {"agent_joined", "ringing", "answered", "ended"} <= {event["type"] for event in events}


async def test_publishing_warns_of_what_the_worker_here_does_not_speak(
    installation: Installation,
) -> None:
    body = {"name": "Reception", "system_prompt": "Be brief.", "tts": {"provider": "elevenlabs"}}
    agent = await installation.post("/agents", body)

    async def warned() -> Any:
        return (await installation.get(f"/agents/{agent['id']}/warnings"))["warnings"]

    warnings = await eventually(warned)

    assert warnings == ["No voice worker here speaks elevenlabs (tts): its key is missing"]
    published = await installation.post(f"/agents/{agent['id']}/publish")
    assert published["warnings"] == warnings
