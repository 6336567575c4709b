"""A thread in every worker that sweeps, and dials by itself while the broker cannot be reached.

Rows are the truth and a message is only a doorbell; the heart is who looks when no bell rings.
"""

import logging
import threading
from typing import Any

from celery.signals import worker_init, worker_shutting_down
from django.conf import settings
from django.db import close_old_connections, connections

from batches.importing.lease import find_overdue_imports
from batches.services.imports import import_batch
from voiceops.core import task_queue
from voiceops.core.isolation import DATABASE_LOST_ERRORS, run_isolated
from voiceops.core.process_tuning import disable_query_log, tune_gc
from worker import dispatcher, sweep

logger = logging.getLogger(__name__)


class SweepThread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="heart", daemon=True)
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(settings.SWEEP_SECONDS):
            try:
                close_old_connections()
                self.run_once()
            except (
                DATABASE_LOST_ERRORS
            ) as error:  # everybody's news, which needs no traceback every few seconds
                logger.warning(
                    "The database cannot be reached, the next beat tries again: %s",
                    type(error).__name__,
                )
            except (
                Exception
            ):  # a heart that stops at the first surprise saves nobody; the next beat tries again
                logger.exception("A sweep failed")
        connections.close_all()

    def run_once(self) -> None:
        sweep.sweep()
        run_isolated(self.run_overdue_imports_here)
        run_isolated(self.ensure_dispatcher_runs)

    def ensure_dispatcher_runs(self) -> None:
        if dispatcher.dispatcher_lock.locked() or not dispatcher.work_is_left():
            return
        if not task_queue.enqueue(task_queue.RUN_DISPATCHER):
            self.run_dispatcher_here()

    def run_dispatcher_here(self) -> None:
        """What the broker would have started, started here."""
        threading.Thread(
            target=run_and_close, args=(dispatcher.run_dispatcher,), name="shift", daemon=True
        ).start()

    def run_overdue_imports_here(self) -> None:
        """Lists that wait although the sweep rang for them."""
        for batch_id in find_overdue_imports():
            if task_queue.enqueue(task_queue.IMPORT_BATCH, batch_id=str(batch_id)):
                return
            run_isolated(import_batch, batch_id)


def run_and_close(function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    except DATABASE_LOST_ERRORS as error:
        logger.warning("The database cannot be reached, a shift ended: %s", type(error).__name__)
    except Exception:  # nobody waits for this thread, and the next beat begins another
        logger.exception("A shift failed")
    finally:
        connections.close_all()


sweep_thread = SweepThread()


@worker_init.connect
def start(**_: Any) -> None:
    """Before the worker is ready: without the broker it never is, and then nobody else would look."""
    disable_query_log()
    tune_gc()
    if not sweep_thread.is_alive():
        sweep_thread.start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """Claims stop at once; calls in flight get a few seconds, then they are in doubt and reconciled
    later.
    """
    dispatcher.stopping.set()
    sweep_thread.stopped.set()
