"""Ten conversations at once on one machine, and a worker that takes no more than it may."""

import asyncio
import resource
from typing import Any

import pytest

from voice.bench.world import CHATTY_AGENT
from voice.conversation.figures import percentile
from voice.rehearsal.run import rehearse
from voice.rehearsal.script import Rehearsal, Script, Step
from voice.tests.acceptance.conversations import agent, one
from voice.tests.installation import MAX_CALLS, Installation, eventually

CALLS = 10
CROWDS = 2
# Callees who stay.
STAYING_CALLEES = [f"+130355501{95 + number}" for number in range(MAX_CALLS + 1)]


@pytest.mark.spoken
async def test_ten_callees_at_once_hear_the_agent_within_two_seconds() -> None:
    config = agent(voicemail={"detection": "off"})
    script = Script("at once", greeting="", steps=(Step("Yes, of course"),))
    rehearsal = Rehearsal(config, {}, "audio", (script,))
    # The first loads the models.
    await rehearse(rehearsal, Script("first", greeting=""))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    # Of ten conversations the slowest would decide alone, and it may be the machine's fault.
    results = []
    for _ in range(CROWDS):
        results += await asyncio.gather(*(rehearse(rehearsal, script) for _ in range(CALLS)))

    waits = [one(result, "usage")["latency"]["answer_to_audio"] for result in results]
    assert (percentile(waits, 95) or 0.0) <= 2.0
    assert [result.reason for result in results] == ["agent_hangup"] * CALLS * CROWDS
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb / CALLS <= 90.0


@pytest.mark.control_plane
@pytest.mark.asyncio(loop_scope="session")
async def test_a_call_too_many_finds_no_agent_and_costs_no_attempt(
    installation: Installation,
) -> None:
    agent_id = await installation.publish({"name": "Full", **CHATTY_AGENT})
    batch = await installation.start_batch(agent_id, STAYING_CALLEES)

    async def refused() -> Any:
        recipients = await installation.recipients(batch)
        return [recipient for recipient in recipients if recipient["reason"] == "no_agent"]

    [recipient] = await eventually(refused, 40.0)
    assert recipient["attempts"] == 0
    assert await installation.dials(recipient["phone_number"]) == 0
    await installation.post(f"/batches/{batch}/stop", {"hang_up_active": True})
