"""Whoever dies, the callee is not left in silence, and nobody is called twice."""

import os
import signal
import time
from typing import Any

import pytest

from voice.bench.world import (
    CHATTY_AGENT,
    STAYING_CALLEE,
    TALKATIVE_CALLEE,
    World,
    becomes_true,
)
from voice.tests.acceptance.conversations import BUSY_MACHINE_SECONDS
from voice.tests.installation import Installation, eventually
from voice.worker.spool import spooled

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_killed_job_frees_its_callee_at_once(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: len(world.texts(call_id)) >= 3)

    os.kill(world.job_pid(call_id), signal.SIGKILL)
    seconds = await becomes_true(lambda: world.reason(call_id) is not None)

    assert world.reason(call_id) == "agent_crashed"
    assert seconds <= 4.0 + BUSY_MACHINE_SECONDS
    assert f"vo-{call_id}" not in await world.rooms()
    assert world.texts(call_id)[0] == ("agent", "Hello there.")
    await becomes_true(lambda: list(spooled(world.spool)) == [])


async def test_a_killed_server_ends_its_calls_and_is_started_again(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: len(world.texts(call_id)) >= 1)

    os.killpg(os.getpgid(world.job_pid(call_id)), signal.SIGKILL)
    seconds = await becomes_true(lambda: world.reason(call_id) is not None)
    await world.worker.wait_for_line("registered at ")

    assert seconds <= 4.0 + BUSY_MACHINE_SECONDS
    assert world.reason(call_id) == "agent_crashed"
    again = await world.call(TALKATIVE_CALLEE)
    await becomes_true(lambda: world.reason(again) is not None)


@pytest.mark.control_plane
async def test_a_machine_that_dies_frees_its_callee_soon(
    installation: Installation,
) -> None:
    agent_id = await installation.publish({"name": "Lost", **CHATTY_AGENT})
    batch = await installation.start_batch(agent_id, [STAYING_CALLEE])
    call_id = await installation.first_call(batch)

    async def has_spoken() -> Any:
        return await installation.turns(call_id)

    await eventually(has_spoken)
    await installation.worker.kill_all()
    began = time.monotonic()
    call = await installation.ended_call(call_id)

    assert time.monotonic() - began <= 12.0 + 2 * BUSY_MACHINE_SECONDS
    assert (call["end_reason"], call["hung_up_by"]) == ("agent_lost", None)

    async def finished() -> Any:
        [recipient] = await installation.recipients(batch)
        return recipient if recipient["status"] == "completed" else None

    assert (await eventually(finished))["attempts"] == 1
    assert await installation.dials(STAYING_CALLEE) == 1
    await installation.worker.start()
