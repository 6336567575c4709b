"""F33, F37 and F38: a carrier that does not react, rooms that are deleted twice, and INVITEs that
leave late.

Each scenario is a generator. Up to its `yield` it causes the fault; after it, when every batch has
ended, it checks what must hold.
"""

from collections.abc import Iterator

from ops.drill.line_faults import two_digits
from ops.drill.world import DrillBatch, World
from telephony.models import CallEvent

# Until the batch pauses itself: 20 in a row, those under way, and those of the five seconds in
# which evidence may come that a phone did ring.
MAX_SILENT_CALLS = 60
GHOSTS_LEAVE_SECONDS = 15.0


def silence_carrier(world: World) -> Iterator[None]:
    """The carrier stops reacting in the middle of a batch, and heals. The batch pauses itself and
    says why; then everyone is called, and nobody is final whose phone never rang.
    """
    batch = world.start_batch(two_digits(60), rate=5)
    batch.wait_for_dials(10)
    world.set_livekit_faults(silent_rate=1.0)
    world.wait_until(
        lambda: batch.row().error is not None, "the batch pauses itself, with a reason"
    )
    reason = batch.row().error
    silent = len(batch.calls(end_reason="carrier_silent"))
    world.set_livekit_faults()
    yield
    world.expect("carrier" in str(reason), f"the batch paused itself: {reason}")
    world.expect(silent <= MAX_SILENT_CALLS, f"{silent} silent calls until the batch paused itself")
    expect_no_final_without_ringing(world, batch)
    batch.expect_all_answered()


def expect_no_final_without_ringing(world: World, batch: DrillBatch) -> None:
    """Raises ExpectationFailed when someone is a final `no_answer` whose phone never rang."""
    rung = {call.recipient_id for call in batch.calls(ringing_at__isnull=False)}
    unrung = [
        recipient.phone_number
        for recipient in batch.recipients()
        if recipient.outcome == "no_answer" and recipient.pk not in rung
    ]
    world.expect(not unrung, f"never rung, and final: {unrung}")


def delete_rooms_twice(world: World) -> Iterator[None]:
    """A second DeleteRoom falls beside half of ours, which brings rooms and agents back. Their
    reports change nothing, and they leave.
    """
    world.set_livekit_faults(double_delete_rate=0.5)
    batch = world.start_batch([*two_digits(20), "60", "61", "71", "81", "86"], rate=10)
    world.wait_until(batch.has_ended, "everyone is called")
    world.set_livekit_faults()
    world.wait_until(
        lambda: not world.sandbox.rooms() & {call.room for call in batch.calls()},
        "no room is left",
        seconds=GHOSTS_LEAVE_SECONDS,
    )
    yield
    for call in batch.calls():
        events = CallEvent.unscoped.filter(call=call).order_by("at", "pk")
        types = world.fetch(events.values_list("type", flat=True))
        after = types[types.index("ended") + 1 :]
        ghostly = set(after) & {"agent_joined", "callee_left"}
        world.expect(not ghostly, f"{call}: {ghostly} after its end")
    attempts = {recipient.attempts for recipient in batch.recipients()}
    world.expect(attempts == {1}, str(batch.results()))


def delay_invites(world: World) -> Iterator[None]:
    """INVITEs leave 57 ms to 1.4 s after the requests. Requests keep the pace all the same, and
    everyone is called once.
    """
    world.set_livekit_faults(slow_invite_rate=1.0)
    batch = world.start_batch(two_digits(40), rate=10)
    batch.wait_for_dials(40)
    world.set_livekit_faults()
    yield
    batch.expect_all_answered()
    batch.expect_one_dial_each()
