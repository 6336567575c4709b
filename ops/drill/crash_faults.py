"""F23, F31, F32 and F34 to F36: LiveKit's server, its host, its SIP service, agents or our web
server die while people are on the phone.

Each scenario is a generator. Up to its `yield` it causes the fault; after it, when every batch has
ended, it checks what must hold.
"""

import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from ops.demo import workspace
from ops.drill.line_faults import two_digits
from ops.drill.world import COMPLETED_AT_ONCE, NOT_ANSWERED, DrillBatch, World

DOWN_SECONDS = 0.5
# Shorter than a phone rings at the drills' speed, so that its leg finds the server again.
HOST_DOWN_SECONDS = 0.3
LONG_RINGING_SECONDS = 60  # of the simulation, as all that follow
PICKS_UP_SECONDS = 50
AGENTS_AWAY_SECONDS = 2.0
WEB_OUTAGE_SECONDS = 40.0
# From the agent's last sign of life until its call must have ended.
AGENT_LOST_SECONDS = 12.0
OBSERVATION_SECONDS = 2.0  # between an end and our noticing it, on a busy machine
# Enough that some phones ring and some people talk at any time.
TALKERS = two_digits(60)
TALKS_WITHOUT_END = {"answer_after": 4, "talk": None}


def kill_livekit_server_mid_ring(world: World) -> Iterator[None]:
    """LiveKit's server is killed while phones ring, and the legs join it again. Who picks up then
    is completed and never called again; who does not has not answered. Nobody is in review.
    """
    # Calls of other batches must end first: those dialled during the crash would be in doubt.
    world.wait_until_all_ended(60)
    pick_up, ring_on = ("01", "02"), ("60", "61", "62")
    late = {"answer_after": PICKS_UP_SECONDS, "talk": 5}
    never = {"answer_after": 2 * LONG_RINGING_SECONDS}
    behaviours = {world.next_number(ending): late for ending in pick_up}
    behaviours |= {world.next_number(ending): never for ending in ring_on}
    world.set_behaviours(behaviours)
    body = {**workspace.AGENT, "name": "Agent", "ringing_timeout_seconds": LONG_RINGING_SECONDS}
    batch = world.start_batch([*pick_up, *ring_on], agent_id=published_agent(world, body))
    world.wait_until(
        lambda: [call["status"] for call in batch.phone_calls()] == ["ringing"] * len(behaviours),
        "all phones ring",
    )
    world.sandbox.crash("server", down_seconds=HOST_DOWN_SECONDS)
    wait_until_back(world)
    world.wait_until(batch.has_ended, "every outcome is known")
    world.set_behaviours({})
    yield
    expected = dict.fromkeys(pick_up, COMPLETED_AT_ONCE) | dict.fromkeys(ring_on, NOT_ANSWERED)
    batch.expect_results(expected)


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
    batch = world.start_batch(TALKERS, rate=3)
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


def kill_agents_mid_call(world: World) -> Iterator[None]:
    """Agents die in three calls that would go on for ever. The callees are not left in silence."""
    endings = ("01", "02", "03")
    dies = {**TALKS_WITHOUT_END, "agent_dies": 2}
    world.set_behaviours({world.next_number(ending): dies for ending in endings})
    # The others, whose agents live, show that it is not the installation that hears nothing.
    batch = world.start_batch(two_digits(40), rate=5, agent_id=create_waiting_agent(world))
    world.wait_until(
        lambda: len(batch.calls(end_reason="agent_lost")) == len(endings),
        "the calls of dead agents have ended",
    )
    world.set_behaviours({})
    yield
    batch.expect_all_answered()
    for call in batch.phone_calls():
        if call["number"][-2:] in endings:
            expect_hung_up_in_time(world, call)


def create_waiting_agent(world: World) -> str:
    """An agent whose maximum duration does not end the calls first; returns its id."""
    body = {**workspace.AGENT, "name": "Patient agent", "max_call_duration_seconds": 3600}
    return published_agent(world, body)


def published_agent(world: World, body: dict[str, object]) -> str:
    """Create and publish an agent; returns its id."""
    agent_id = str(world.api.post("/agents", body)["id"])
    world.api.post(f"/agents/{agent_id}/publish")
    return agent_id


def expect_hung_up_in_time(world: World, call: dict[str, Any]) -> None:
    """Raises ExpectationFailed when the callee was left alone for too long."""
    seconds = call["ended_at"] - call["answered_at"]
    limit = AGENT_LOST_SECONDS + OBSERVATION_SECONDS
    world.expect(seconds <= limit, f"{call['number']} heard nothing for {seconds:.1f} s")


def kill_all_agents(world: World) -> Iterator[None]:
    """Every agent dies, with phones ringing and people talking. Until agents are back nobody is
    dialed; then everyone is.
    """
    wait_until_quiet(world)
    batch = start_and_wait_until_busy(world)
    world.sandbox.crash("agents", down_seconds=AGENTS_AWAY_SECONDS)
    died_at = time.time()
    wait_until_back(world)
    yield
    expect_everybody_settled(world, batch)
    limit = died_at + AGENT_LOST_SECONDS + OBSERVATION_SECONDS
    for call in batch.phone_calls():
        if call["at"] < died_at and call["ended_at"] > limit:
            world.expect(False, f"{call['number']} was still on the phone")


def stop_web_server(world: World) -> Iterator[None]:
    """The web server is away for 40 s: events older than 30 s are dropped, agents' last reports are
    lost. Everyone is called once, and how long they talked is right.
    """
    # The batch before must not be disturbed.
    world.wait_until_all_ended(60)
    batch = world.start_batch(two_digits(50), rate=2)
    batch.wait_for_dials(10)
    web = world.kill_and_hold("web")
    try:
        time.sleep(WEB_OUTAGE_SECONDS)
    finally:
        world.restore(web)
    world.wait_until(lambda: world.has_web_server(), "the web server is back")
    yield
    batch.expect_statuses("completed", "review")
    real = {call["room"]: call for call in batch.phone_calls()}
    for call in batch.calls(outcome="answered"):
        assert call.answered_at is not None
        assert call.ended_at is not None
        talked = real[call.room]["ended_at"] - real[call.room]["answered_at"]
        ours = (call.ended_at - call.answered_at).total_seconds()
        # Polls are this far apart at both ends of the call.
        margin = 2 * settings.SWEEP_SECONDS + OBSERVATION_SECONDS
        world.expect(
            abs(ours - talked) <= margin and ours > 0,
            f"{call} talked {talked:.1f} s, we say {ours:.1f} s",
        )
