"""One round of a worker's sweep thread: the sweep, and the work that a broker would start.

Rows are the truth, and a message only starts work sooner. So a worker whose broker is away goes on
importing and dialing, a few seconds later.
"""

import logging
import threading
from collections.abc import Callable

from django.db import connections

from batches.services import maintenance
from voiceops.core import task_queue
from voiceops.core.isolation import DATABASE_LOST_ERRORS, run_isolated
from worker import dispatcher, sweep

logger = logging.getLogger(__name__)


def sweep_and_start_work() -> None:
    """Sweep, then import and dial what no message has started.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    sweep.sweep()
    run_isolated(maintenance.import_overdue_without_broker)
    run_isolated(ensure_dispatcher_runs)


def ensure_dispatcher_runs() -> None:
    """Start a dispatcher where there is work and none is running: by message, else in a thread."""
    # Another worker may dispatch too, so only this process's slot matters.
    if dispatcher.dispatcher_lock.locked() or not dispatcher.has_work():
        return
    if not task_queue.enqueue(task_queue.RUN_DISPATCHER):
        threading.Thread(
            target=run_and_close, args=(dispatcher.run_dispatcher,), name="dispatcher", daemon=True
        ).start()


def run_and_close(function: Callable[[], object]) -> None:
    """Call `function`, log what it raises and close this thread's connections."""
    try:
        function()
    except DATABASE_LOST_ERRORS as error:
        logger.warning("The database cannot be reached, dialing stops: %s", type(error).__name__)
    except Exception:  # no one joins this thread, and the next round starts another
        logger.exception("The dispatcher failed")
    finally:
        connections.close_all()
