"""The fault matrix (`docs/reference/reliability.md` §2.7): one row for each fault, with the world
in which it happens.

The worlds `line`, `orders`, `deploys`, `crashes` and `carrier` are one worker on SQLite: LiveKit
fails in the first, our own processes in the second, in the third an operator stops them, in the
fourth parts of LiveKit die, in `carrier` the carrier does not react, or our web server, and in
`disk` nothing can be written. `servers` is two workers on a PostgreSQL and a Redis server of their
own. After a fault's own expectations, the invariants of the ledger must hold for every batch that
was called.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ops.drill import crash_faults as crashes
from ops.drill import disk_faults as disk
from ops.drill import line_faults as line
from ops.drill import order_faults as orders
from ops.drill import process_faults as processes
from ops.drill import server_faults as servers
from ops.drill import trunk_faults as trunks
from ops.drill.world import World
from voiceops.core.errors import NotFound

WorldName = Literal["servers", "orders", "line", "deploys", "crashes", "carrier", "disk"]


@dataclass(frozen=True)
class WorldPlan:
    workers: int
    seconds: int  # about how long all of its faults take: the longest world begins first
    settings: Mapping[str, str] = field(default_factory=dict)


WORLDS: dict[WorldName, WorldPlan] = {
    "servers": WorldPlan(workers=2, seconds=230),
    "orders": WorldPlan(workers=1, seconds=170),
    "line": WorldPlan(workers=1, seconds=160),
    "deploys": WorldPlan(workers=1, seconds=200),
    "crashes": WorldPlan(workers=1, seconds=120),
    "carrier": WorldPlan(workers=1, seconds=140),
    # Far more than the files of a drill take.
    "disk": WorldPlan(workers=1, seconds=70, settings={"MAX_DATA_DIR_BYTES": "1073741824"}),
}


@dataclass(frozen=True)
class Fault:
    name: str
    description: str
    world: WorldName
    scenario: Callable[[World], Iterator[None]]
    failpoint: str = ""  # for the variable VO_FAIL (voiceops/core/failpoints.py)


# Each world runs its faults in this order: those whose batches take long to end come first, those
# that kill LiveKit last.
MATRIX: tuple[Fault, ...] = (
    Fault(
        "F21",
        "stopped between intent and send",
        "servers",
        processes.pause_worker_before_send,
        "after_intent:2:STOP",
    ),
    Fault("F19", "four reconcilers at once", "servers", processes.run_parallel_reconcilers),
    Fault("F11", "PostgreSQL crashes", "servers", servers.crash_database),
    Fault("F12", "PostgreSQL is away", "servers", servers.stop_database),
    Fault("F13", "an intent's COMMIT in doubt", "servers", servers.interrupt_commit),
    Fault("F14", "Redis is emptied, and killed", "servers", servers.stop_broker),
    Fault("F20", "two clocks ten minutes apart", "servers", processes.skew_clocks),
    Fault(
        "F1",
        "killed after the claim",
        "orders",
        line.kill_worker_at("after_claim", end_reasons=("abandoned",)),
        "after_claim:1",
    ),
    Fault(
        "F2",
        "killed after the intent",
        "orders",
        line.kill_worker_at("after_intent", end_reasons=("not_placed",)),
        "after_intent:2",
    ),
    Fault(
        "F3",
        "killed after the send",
        "orders",
        line.kill_worker_at("after_send", end_reasons=(None,)),
        "after_send:3",
    ),
    Fault(
        "F4",
        "killed after the answer",
        "orders",
        line.kill_worker_at("after_answer", end_reasons=(None,)),
        "after_answer:3",
    ),
    Fault("F25", "four starts at once", "orders", orders.start_in_parallel),
    Fault("F26", "the same number twice", "orders", orders.upload_same_number_twice),
    Fault(
        "F27",
        "batches changed between claim and intent",
        "orders",
        orders.change_batches_before_intent,
    ),
    Fault("F22", "SIGTERM under load, ten times", "deploys", processes.deploy_under_load),
    Fault("F9", "LiveKit hangs", "line", line.hang_requests),
    Fault("F5", "the response is lost", "line", line.lose_responses),
    Fault("F6", "the request is lost", "line", line.lose_requests),
    Fault("F7", "LiveKit answers 500 before and after the dial", "line", line.return_server_errors),
    Fault("F8", "LiveKit answers 503", "line", line.refuse_for_lack_of_sip_nodes),
    Fault(
        "F15",
        "webhooks arrive twice",
        "line",
        line.disturb_webhooks(webhook_duplicate_rate=1.0),
    ),
    Fault(
        "F16",
        "webhooks arrive in the wrong order",
        "line",
        line.disturb_webhooks(webhook_reorder=True),
    ),
    Fault("F17", "no webhook arrives", "line", line.disturb_webhooks(webhook_loss_rate=1.0)),
    Fault("F18", "webhooks of foreign rooms", "line", line.send_foreign_webhooks),
    Fault("F24", "no agent", "line", processes.remove_agent),
    Fault(
        "F23",
        "LiveKit's server killed while phones ring",
        "line",
        crashes.kill_livekit_server_mid_ring,
    ),
    Fault("F10", "LiveKit is down", "line", line.stop_livekit),
    Fault(
        "F31", "LiveKit's host dies with people on the phone", "crashes", crashes.crash_livekit_host
    ),
    Fault("F32", "LiveKit's SIP service dies alone", "crashes", crashes.crash_sip_service),
    Fault("F35", "all agents die", "crashes", crashes.kill_all_agents),
    Fault("F34", "agents die in calls", "crashes", crashes.kill_agents_mid_call),
    Fault("F37", "rooms are deleted twice", "crashes", trunks.delete_rooms_twice),
    Fault("F38", "INVITEs leave late", "crashes", trunks.delay_invites),
    Fault("F33", "the carrier is silent, and heals", "carrier", trunks.silence_carrier),
    Fault("F36", "the web server is away for 40 s", "carrier", crashes.stop_web_server),
    Fault("F29", "the disk is full, and then the quota", "disk", disk.fill_disk),
)


def select_faults(names: str) -> Sequence[Fault]:
    """The faults with these names, separated by commas; all of them for `all`. Raises NotFound."""
    if names == "all":
        return MATRIX
    wanted = {name.strip().upper() for name in names.split(",")}
    if unknown := wanted - {fault.name for fault in MATRIX}:
        raise NotFound(f"No such fault: {', '.join(sorted(unknown))}")
    return [fault for fault in MATRIX if fault.name in wanted]
