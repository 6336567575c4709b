"""The periodic rounds over batches' own rows: what no message or request has finished.

Each function does one bounded round and may run in several processes at once. The worker decides
when and in which order they run.
"""

from itertools import islice

from batches.dialing import settlement
from batches.services import (
    automatic_start,
    batches,
    callbacks,
    dispositions,
    import_turns,
    opt_outs,
)
from voiceops.core.clock import database_now

# Each that is enqueued goes on with others, in the order of the workspaces' turns.
MAX_IMPORTS_ENQUEUED = 20
MAX_IMPORTS_WITHOUT_BROKER = 50  # per round; the next round goes on
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


def cancel_rest_of_stopped() -> None:
    """Cancel the recipients that a stop of a very long list, or one that was killed, has left."""
    batches.cancel_rest_of_stopped()


def enqueue_overdue_imports() -> None:
    """Wake workers for imports that no process is running, the oldest of each workspace."""
    for waiting in islice(import_turns.find_waiting_imports(), MAX_IMPORTS_ENQUEUED):
        waiting.enqueue()


def import_overdue_without_broker() -> None:
    """Run overdue imports in this thread for as long as the broker does not accept them."""
    for _ in range(MAX_IMPORTS_WITHOUT_BROKER):
        waiting = next(import_turns.find_waiting_imports(), None)
        if waiting is None or waiting.enqueue() or not import_turns.run_next_import():
            return


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
