"""Nothing is lost while the control plane is away, and the worker as well."""

import asyncio

import pytest

from voice.bench.world import CHATTY_AGENT, STAYING_CALLEE, World, becomes_true

pytestmark = pytest.mark.asyncio(loop_scope="session")
TEXTS = [
    ("agent", "Hello there."),
    ("callee", "Hello, who is this?"),
    ("agent", "I see."),
    ("callee", "Could you say that again?"),
]


async def test_every_turn_is_there_once_and_in_order_afterwards(world: World) -> None:
    world.is_away = True
    call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT, is_reported=False)
    await asyncio.sleep(4.0)
    assert world.events[call_id] == []
    world.is_away = False
    await becomes_true(lambda: len(world.texts(call_id)) >= 9)

    assert world.texts(call_id)[:4] == TEXTS
    assert len(world.texts(call_id)) == 9
    kinds = [kind for kind in world.types(call_id) if kind != "agent_alive"]
    assert kinds[:3] == ["agent_joined", "callee_joined", "callee_answered"]
    await world.delete_room(call_id)


async def test_the_next_worker_delivers_what_the_last_one_could_not(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: len(world.texts(call_id)) >= 1)
    world.is_away = True
    await asyncio.sleep(2.0)

    await world.worker.stop()
    assert world.reason(call_id) is None
    world.is_away = False
    await world.worker.start()
    await becomes_true(lambda: world.reason(call_id) is not None)

    assert world.reason(call_id) == "agent_stopped"
    texts = world.texts(call_id)
    assert texts[:4] == TEXTS
    assert texts[-1] == ("agent", "I am sorry, I have to end this call now. Goodbye.")
    identifiers = [event["id"] for event in world.events[call_id]]
    assert len(identifiers) == len(set(identifiers))
