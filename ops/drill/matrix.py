"""The fault matrix of `reliability.md` §2.7: a row for each fault, and the world it strikes in.

`line`, `orders` and `deploys` are one worker on SQLite: in the first LiveKit fails, in the others
we do, in the last at an operator's word. `servers` are two workers on PostgreSQL and Redis of their
own. After each fault's own expectations, the ledger's nine invariants must hold for every list that
was called.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ops.drill import line_faults as line
from ops.drill import process_faults as processes
from ops.drill import server_faults as servers
from ops.drill.world import World
from voiceops.core.errors import NotFound

WorldName = Literal["servers", "orders", "line", "deploys"]


@dataclass(frozen=True)
class Fault:
    name: str
    what: str
    world: WorldName
    scenario: Callable[[World], Iterator[None]]
    failpoint: str = ""  # as VO_FAIL names it


WORKERS: dict[WorldName, int] = {"servers": 2, "orders": 1, "line": 1, "deploys": 1}

# In the order they strike, by worlds: what takes long to come to rest first, what kills LiveKit
# last.
MATRIX: tuple[Fault, ...] = (
    Fault(
        "F21",
        "stopped between intent and send",
        "servers",
        processes.stopped_before_send,
        "after_intent:2:STOP",
    ),
    Fault("F19", "four reconcilers at once", "servers", processes.reconcilers_at_once),
    Fault("F11", "PostgreSQL crashes", "servers", servers.database_crashes),
    Fault("F12", "PostgreSQL is away", "servers", servers.database_away),
    Fault("F13", "an intent's COMMIT in doubt", "servers", servers.commit_in_doubt),
    Fault("F14", "Redis is emptied, and killed", "servers", servers.broker_away),
    Fault("F20", "two clocks ten minutes apart", "servers", processes.wrong_clock),
    Fault(
        "F1",
        "killed after the claim",
        "orders",
        line.killed("after_claim", first_ends_as=("abandoned",)),
        "after_claim:1",
    ),
    Fault(
        "F2",
        "killed after the intent",
        "orders",
        line.killed("after_intent", first_ends_as=("not_placed",)),
        "after_intent:2",
    ),
    Fault(
        "F3",
        "killed after the send",
        "orders",
        line.killed("after_send", first_ends_as=(None,)),
        "after_send:3",
    ),
    Fault(
        "F4",
        "killed after the answer",
        "orders",
        line.killed("after_answer", first_ends_as=(None,)),
        "after_answer:3",
    ),
    Fault("F25", "four starts at once", "orders", processes.two_starts),
    Fault("F26", "the same number twice", "orders", processes.same_number_twice),
    Fault(
        "F27",
        "orders between claim and intent",
        "orders",
        processes.orders_between_claim_and_intent,
    ),
    Fault("F22", "SIGTERM under load, ten times", "deploys", processes.deploys),
    Fault("F9", "LiveKit hangs", "line", line.hanging),
    Fault("F5", "the response is lost", "line", line.response_lost),
    Fault("F6", "the request is lost", "line", line.request_lost),
    Fault("F7", "LiveKit answers 500 before and after the dial", "line", line.server_error),
    Fault("F8", "LiveKit answers 503", "line", line.no_sip_node),
    Fault("F15", "webhooks arrive twice", "line", line.webhooks(webhook_duplicate_rate=1.0)),
    Fault("F16", "webhooks arrive in the wrong order", "line", line.webhooks(webhook_reorder=True)),
    Fault("F17", "no webhook arrives", "line", line.webhooks(webhook_loss_rate=1.0)),
    Fault("F18", "webhooks of foreign rooms", "line", line.foreign_webhooks),
    Fault("F24", "no agent", "line", processes.agent_away),
    Fault("F23", "LiveKit killed while phones ring", "line", processes.livekit_killed_mid_ring),
    Fault("F10", "LiveKit is down", "line", line.livekit_down),
)


def chosen(names: str) -> Sequence[Fault]:
    """`all`, or names with commas between them. Raises NotFound."""
    if names == "all":
        return MATRIX
    wanted = {name.strip().upper() for name in names.split(",")}
    if unknown := wanted - {fault.name for fault in MATRIX}:
        raise NotFound(f"No such fault: {', '.join(sorted(unknown))}")
    return [fault for fault in MATRIX if fault.name in wanted]
