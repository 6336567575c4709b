"""SIGTERM: no further calls, those under way go on, and the worker ends after the last."""

import asyncio
import uuid

import pytest

from voice.bench.world import CHATTY_AGENT, STAYING_CALLEE, World, becomes_true
from voice.worker.spool import spooled

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_worker_that_stops_lets_its_calls_end(world: World) -> None:
    first = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    second = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: bool(world.texts(first) and world.texts(second)))
    process = world.worker.process
    assert process is not None

    process.terminate()
    await world.worker.wait_for_line("Stopping: 2 calls under way")
    late = str(uuid.uuid4())
    await world.dispatch(late, CHATTY_AGENT)
    await world.delete_room(first)
    await becomes_true(lambda: world.reason(first) is not None)
    heard = len(world.types(second))
    # It goes on reporting that it is alive.
    await becomes_true(lambda: len(world.types(second)) > heard)

    assert world.types(late) == []
    assert world.reason(second) is None
    assert process.returncode is None
    await world.delete_room(second)
    async with asyncio.timeout(60):
        assert await process.wait() == 0
    assert world.reason(second) == "room_closed"
    assert list(spooled(world.spool)) == []
    await world.delete_room(late)
    await world.worker.start()
