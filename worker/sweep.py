"""What makes the broker losable: everything a message would have started is found again in the
rows.

A worker's heart calls `sweep` every `SWEEP_SECONDS`; so does `manage.py reconcile_calls`. Any
number may run at once.
"""

from collections.abc import Awaitable, Callable

from batches.dialing import settlement
from batches.importing.lease import overdue_imports
from batches.services.batches import start_due_batches
from batches.services.opt_outs import suppress_opt_outs
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.dialing.polling import reconcile_calls
from telephony.services.inbound import follow_inbound
from telephony.services.livekit_events import apply_pending_events
from telephony.services.numbers import clean_provisioning
from telephony.services.recordings import follow_recordings
from telephony.services.web_calls import close_unused
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.isolation import run_isolated
from voiceops.core.orm_thread import OrmThread

Probe = Callable[[LiveKit, OrmThread], Awaitable[int]]
ROUNDS = 50  # of settling in one sweep: bounded, the next sweep goes on


def sweep() -> None:
    """One round over everything that may be overdue, each step for itself. Raises what a lost
    database raises.
    """
    run_isolated(apply_pending_events)
    run_isolated(suppress_opt_outs)
    run_isolated(start_due)
    run_isolated(enqueue_overdue_imports)
    run_isolated(run_probe, reconcile_calls)
    run_isolated(run_probe, follow_inbound)
    run_isolated(run_probe, follow_recordings)
    run_isolated(run_probe, close_unused)
    run_isolated(settlement.mark_in_call)
    run_isolated(settle_ended_calls)
    run_isolated(settlement.complete_all)
    run_isolated(clean_provisioning_slowly)  # last: it may have to wait for LiveKit and Twilio


def start_due() -> None:
    start_due_batches(database_now())


def enqueue_overdue_imports() -> None:
    for batch_id in overdue_imports():
        task_queue.enqueue(task_queue.IMPORT_BATCH, batch_id=str(batch_id))


def settle_ended_calls() -> None:
    for _ in range(ROUNDS):
        if settlement.settle_calls().calls == 0:
            break


def clean_provisioning_slowly() -> None:
    clean_provisioning(limit=1)


def reconcile() -> int:
    """Look into what is in doubt, silent or missing. Returns how many calls were looked at."""
    return (
        run_probe(reconcile_calls)
        + run_probe(follow_inbound)
        + run_probe(follow_recordings)
        + run_probe(close_unused)
    )


def run_probe(into: Probe) -> int:
    async def run(livekit: LiveKit) -> int:
        async with OrmThread() as db:
            return await into(livekit, db)

    return run_in_session(run)
