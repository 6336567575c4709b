"""The periodic rounds over batches' own rows: what no message or request has finished.

Each function does one bounded round and may run in several processes at once. The worker decides
when and in which order they run.
"""

from batches.dialing import settlement
from batches.importing.lease import find_overdue_imports
from batches.services import automatic_start, callbacks, dispositions, opt_outs
from batches.services.imports import import_batch
from batches.services.suppression_imports import find_overdue_suppression_imports, run_import
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.isolation import run_isolated

MAX_SETTLED_CHUNKS = 50  # per round; the next round goes on


def suppress_opt_outs() -> None:
    """Suppress the numbers of callees who asked during a call not to be called again."""
    opt_outs.suppress_opt_outs()


def apply_dispositions() -> None:
    """Carry out what the dispositions of ended calls order."""
    dispositions.apply_dispositions()


def follow_callbacks() -> None:
    """Dial callbacks without a recipient, move postponed ones, and report missed ones."""
    callbacks.follow_callbacks()


def start_due_batches() -> None:
    """Start batches whose scheduled time has come, or which their import should have started."""
    automatic_start.start_due_batches(database_now())


def enqueue_overdue_imports() -> None:
    """Enqueue every import that no process is running."""
    for import_id in find_overdue_suppression_imports():
        task_queue.enqueue(task_queue.IMPORT_SUPPRESSIONS, import_id=str(import_id))
    for batch_id in find_overdue_imports():
        task_queue.enqueue(task_queue.IMPORT_BATCH, batch_id=str(batch_id))


def import_overdue_without_broker() -> None:
    """Run overdue imports in this thread for as long as the broker does not accept them."""
    for import_id in find_overdue_suppression_imports():
        if task_queue.enqueue(task_queue.IMPORT_SUPPRESSIONS, import_id=str(import_id)):
            return
        run_isolated(run_import, import_id)
    for batch_id in find_overdue_imports():
        if task_queue.enqueue(task_queue.IMPORT_BATCH, batch_id=str(batch_id)):
            return
        run_isolated(import_batch, batch_id)


def mark_recipients_in_call() -> None:
    """Move recipients whose call has been answered to `in_call`."""
    settlement.mark_in_call()


def settle_ended_calls() -> None:
    """Settle ended calls, up to `MAX_SETTLED_CHUNKS`."""
    for _ in range(MAX_SETTLED_CHUNKS):
        if settlement.settle_calls().calls == 0:
            break


def settle_all_calls() -> int:
    """Settle every ended call and complete batches in which nothing is left to do.

    Returns how many calls were settled.
    """
    settled = 0
    while chunk := settlement.settle_calls().calls:
        settled += chunk
    settlement.complete_all()
    return settled


def complete_batches() -> None:
    """Complete the started batches in which nothing is left to do."""
    settlement.complete_all()
