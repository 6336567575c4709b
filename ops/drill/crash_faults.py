"""F31, F32 and F35: LiveKit's host, its SIP service or all agents die while people are on the
phone.

Each scenario is a generator. Up to its `yield` it causes the fault; after it, when every batch has
ended, it checks what must hold.
"""

import time
from collections.abc import Iterator

from ops.drill.line_faults import two_digits
from ops.drill.world import DrillBatch, World

DOWN_SECONDS = 3.0
# From the agent's last sign of life until its call must have ended.
AGENT_LOST_SECONDS = 12.0
OBSERVATION_SECONDS = 2.0  # between an end and our noticing it, on a busy machine
# Enough that some phones ring and some people talk at any time.
TALKERS = two_digits(40)


def crash_livekit_host(world: World) -> Iterator[None]:
    """Server and SIP service die with phones ringing and people talking, and the rooms stay in
    LiveKit's store as they were. Everyone is called, and nobody who answered is called again.
    """
    batch = start_and_wait_until_busy(world)
    world.sandbox.crash("both", down_seconds=DOWN_SECONDS)
    wait_until_back(world)
    yield
    expect_everybody_settled(world, batch)


def crash_sip_service(world: World) -> Iterator[None]:
    """The SIP service dies alone: its calls are gone, and LiveKit tells so without a reason."""
    wait_until_quiet(world)
    batch = start_and_wait_until_busy(world)
    world.sandbox.crash("sip", down_seconds=DOWN_SECONDS)
    wait_until_back(world)
    yield
    expect_everybody_settled(world, batch)


def start_and_wait_until_busy(world: World) -> DrillBatch:
    """A batch of which phones ring and people talk."""
    batch = world.start_batch(TALKERS, rate=5)
    # How the calls that are cut off would have ended is unknown.
    batch.outcomes_follow_numbers = False
    world.wait_until(
        lambda: {"ringing", "in_progress"} <= {call["status"] for call in batch.phone_calls()},
        "phones ring and people talk",
    )
    return batch


def wait_until_back(world: World) -> None:
    """Wait until everything of LiveKit runs again. Raises ExpectationFailed."""
    world.wait_until(lambda: not world.sandbox.down(), "LiveKit is back")


def wait_until_quiet(world: World) -> None:
    """Wait until no phone rings and nobody talks, so that a crash disturbs one batch only.

    Raises ExpectationFailed.
    """
    world.wait_until(
        lambda: all(call["status"] == "ended" for call in world.sandbox.calls()), "all hung up"
    )


def expect_everybody_settled(world: World, batch: DrillBatch) -> None:
    """Whoever was not cut off is called; those cut off are completed or in review, and no attempt
    is counted twice.
    """
    batch.expect_statuses("completed", "review", "failed")
    failed = [row for row in batch.recipients() if row.status == "failed"]
    world.expect(not failed, f"{len(failed)} who would have answered have failed")
    attempts = {row.attempts for row in batch.recipients() if row.status == "completed"}
    world.expect(attempts <= {1}, str(batch.results()))


def kill_all_agents(world: World) -> Iterator[None]:
    """Every agent dies, with phones ringing and people talking. Until agents are back nobody is
    dialed; then everyone is.
    """
    wait_until_quiet(world)
    batch = start_and_wait_until_busy(world)
    world.sandbox.crash("agents", down_seconds=DOWN_SECONDS)
    died_at = time.time()
    wait_until_back(world)
    yield
    expect_everybody_settled(world, batch)
    limit = died_at + AGENT_LOST_SECONDS + OBSERVATION_SECONDS
    for call in batch.phone_calls():
        if call["at"] < died_at and call["ended_at"] > limit:
            world.expect(False, f"{call['number']} was still on the phone")
