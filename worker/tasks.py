"""Every Celery task. Each takes ids and makes one call; the sweep finds its work again in rows.

Celery imports this module in every worker, and with it the threads of `worker.lifecycle`. The wire
names are part of the installed base: a running worker of the previous release must understand them.
"""

from celery import shared_task

from agents.rehearsing import rehearsals
from batches.services import dispositions, import_turns, opt_outs, report_mails
from voiceops.core import task_queue
from worker import dispatcher, lifecycle, sweep

__all__ = [
    "import_batch_task",
    "import_suppressions_task",
    "lifecycle",
    "run_dispatcher_task",
    "run_rehearsals_task",
    "run_sweep_task",
    "send_reports_task",
    "suppress_opt_outs_task",
]


@shared_task(name=task_queue.RUN_DISPATCHER)
def run_dispatcher_task() -> None:
    """Dial for up to a minute, then hand over to a successor while there is work."""
    if dispatcher.run_dispatcher() and dispatcher.has_work():
        task_queue.enqueue(task_queue.RUN_DISPATCHER)


@shared_task(name=task_queue.IMPORT_BATCH)
def import_batch_task(batch_id: str) -> None:
    """Import uploaded lists, this one when its workspace's turn has come."""
    run_waiting_imports()


@shared_task(name=task_queue.IMPORT_SUPPRESSIONS)
def import_suppressions_task(import_id: str) -> None:
    """Read long lists of numbers to suppress, this one when its workspace's turn has come."""
    run_waiting_imports()


@shared_task(name=task_queue.RUN_SWEEP)
def run_sweep_task() -> None:
    """Sweep once."""
    sweep.sweep()


@shared_task(name=task_queue.SUPPRESS_OPT_OUTS)
def suppress_opt_outs_task() -> None:
    """Suppress the numbers of callees who asked not to be called again; apply dispositions."""
    opt_outs.suppress_opt_outs()
    dispositions.apply_dispositions()


@shared_task(name=task_queue.RUN_REHEARSALS)
def run_rehearsals_task() -> None:
    """Carry out rehearsals that wait."""
    rehearsals.run_waiting_rehearsals()


@shared_task(name=task_queue.SEND_REPORTS)
def send_reports_task() -> None:
    """Send the weekly e-mails that are due."""
    report_mails.send_due_reports()


def run_waiting_imports() -> None:
    """Read waiting lists while there is a place for them and the worker is not shut down."""
    import_turns.run_waiting_imports(lambda: not dispatcher.stopping.is_set())
