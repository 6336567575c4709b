"""What makes the broker losable: everything a message would have started is found again in the
rows.

A worker's heart calls `sweep` every `SWEEP_SECONDS`; so does `manage.py reconcile_calls`. Any
number may run at once.
"""

from batches.dialing import settlement
from batches.importing.lease import find_overdue_imports
from batches.services.batches import start_due_batches
from batches.services.opt_outs import suppress_opt_outs
from telephony.services import maintenance
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.isolation import run_isolated

ROUNDS = 50  # of settling in one sweep: bounded, the next sweep goes on


def sweep() -> None:
    """One round over everything that may be overdue, each step for itself. Raises what a lost
    database raises.
    """
    run_isolated(maintenance.apply_pending_events)
    run_isolated(suppress_opt_outs)
    run_isolated(start_due)
    run_isolated(enqueue_overdue_imports)
    run_isolated(maintenance.reconcile_calls)
    run_isolated(maintenance.follow_inbound_calls)
    run_isolated(maintenance.follow_recordings)
    run_isolated(maintenance.close_unused_web_calls)
    run_isolated(settlement.mark_in_call)
    run_isolated(settle_ended_calls)
    run_isolated(settlement.complete_all)
    run_isolated(maintenance.clean_provisioning)  # last: it may have to wait for LiveKit and Twilio


def start_due() -> None:
    start_due_batches(database_now())


def enqueue_overdue_imports() -> None:
    for batch_id in find_overdue_imports():
        task_queue.enqueue(task_queue.IMPORT_BATCH, batch_id=str(batch_id))


def settle_ended_calls() -> None:
    for _ in range(ROUNDS):
        if settlement.settle_calls().calls == 0:
            break
