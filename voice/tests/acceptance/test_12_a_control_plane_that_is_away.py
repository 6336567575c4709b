"""Nothing is lost while the control plane is away, and the worker as well."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from voice.bench.world import CHATTY_AGENT, STAYING_CALLEE, Worker, World, becomes_true
from voice.tests.installation import Installation, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")
TEXTS = [
    ("agent", "Hello there."),
    ("callee", "Hello, who is this?"),
    ("agent", "I see."),
    ("callee", "Could you say that again?"),
]
# What a callee of the minute says, and is answered.
SLOW_TALK = [
    ("callee", "Hello?"),
    ("agent", "Hello there."),
    *(
        turn
        for number in range(1, 13)
        for turn in (("callee", f"This is line {number}."), ("agent", "I see."))
    ),
]
FAREWELL = ("agent", "I am sorry, I have to end this call now. Goodbye.")


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
    await becomes_true(lambda: len(spooled_texts(world, call_id)) >= len(TEXTS))

    await world.worker.stop()
    assert world.reason(call_id) is None
    world.is_away = False
    await world.worker.start()
    await becomes_true(lambda: world.reason(call_id) is not None)

    assert world.reason(call_id) == "agent_stopped"
    spoken = world.texts(call_id)
    assert spoken[:4] == TEXTS
    assert spoken[-1] == FAREWELL
    identifiers = [event["id"] for event in world.events[call_id]]
    assert len(identifiers) == len(set(identifiers))


def spooled_texts(world: World, call_id: str) -> list[str]:
    """Return what was said so far, as the worker has it on its disk."""
    lines = (world.spool / f"{call_id}.jsonl").read_text().splitlines()
    # The last line may be half written.
    return [line for line in lines if '"turn"' in line and line.endswith("}")]


def texts(turns: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(turn["role"], turn["text"]) for turn in turns]


async def call_by_each(
    installation: Installation, agent_id: str, workers: Sequence[Worker]
) -> list[str]:
    """Call until each of the workers has a call, and return their ids in the workers' order."""
    call_ids: dict[Worker, str] = {}
    for number in (f"+1202555{number:02}96" for number in range(8)):
        call_id = await installation.call(agent_id, number)
        await eventually(partial(installation.turns, call_id))
        [worker] = [each for each in workers if (each.spool / f"{call_id}.jsonl").exists()]
        if worker in call_ids:
            await installation.post(f"/calls/{call_id}/hangup")
        call_ids.setdefault(worker, call_id)
        if len(call_ids) == len(workers):
            return [call_ids[worker] for worker in workers]
    raise AssertionError("One of the workers takes no call")


async def spend_a_minute_without(installation: Installation, restarted: Worker) -> None:
    """Kill the control plane for a minute, in which a worker is restarted."""
    await installation.kill_control_plane()
    minute = asyncio.create_task(asyncio.sleep(60.0))
    await asyncio.sleep(25.0)
    await restarted.stop()
    await restarted.start()
    await minute
    await installation.start_control_plane()


@pytest.mark.waiting
@pytest.mark.control_plane
@pytest.mark.timeout(300)
async def test_a_minute_without_the_control_plane_loses_nothing(
    crowded: Installation, tmp_path: Path
) -> None:
    agent = {**CHATTY_AGENT, "name": "Long", "max_call_duration_seconds": 3600}
    agent_id = await crowded.publish(agent)
    variables = {**crowded.variables, "VOICE_MAX_CALLS": "1"}
    other = Worker(crowded.livekit_url, tmp_path, **variables)
    await other.start()
    try:
        interrupted, kept = await call_by_each(crowded, agent_id, [other, crowded.worker])
        await spend_a_minute_without(crowded, other)

        async def all_turns() -> Any:
            turns = await crowded.turns(kept)
            return turns if len(turns) == len(SLOW_TALK) else None

        assert texts(await eventually(all_turns, 60.0)) == SLOW_TALK
        assert (await crowded.get(f"/calls/{kept}"))["status"] == "in_progress"
        await crowded.ended_call(interrupted)
    finally:
        await other.stop()
    *spoken, farewell = texts(await crowded.turns(interrupted))
    assert farewell == FAREWELL
    assert spoken == SLOW_TALK[: len(spoken)]
    assert len(spoken) > 5
    dialled = [(await crowded.get(f"/calls/{call}"))["to"] for call in (interrupted, kept)]
    assert [await crowded.dials(number) for number in dialled] == [1, 1]
    await crowded.post(f"/calls/{kept}/hangup")
