"""F38: INVITEs that leave late.

The scenario is a generator. Up to its `yield` it causes the fault; after it, when every batch has
ended, it checks what must hold.
"""

from collections.abc import Iterator

from ops.drill.line_faults import two_digits
from ops.drill.world import World


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
