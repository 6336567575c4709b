"""A thread in every worker that sweeps, and dials by itself while the broker cannot be reached.

Rows are the truth and a message is only a doorbell; the heart is who looks when no bell rings.
"""

import logging
import threading
from typing import Any
from uuid import UUID

from celery.signals import worker_init, worker_shutting_down
from django.conf import settings
from django.db import close_old_connections, connections

from batches.importing.import_job import import_batch, overdue_imports
from batches.services.batches import after_import
from voiceops.core import task_queue
from voiceops.core.isolation import LOST, alone
from voiceops.core.process_tuning import collect_rarely, keep_no_queries
from worker import dispatcher, sweep

logger = logging.getLogger(__name__)


class Heart(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="heart", daemon=True)
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(settings.SWEEP_SECONDS):
            try:
                close_old_connections()
                self.beat()
            except LOST as error:  # everybody's news, which needs no traceback every few seconds
                logger.warning("The database cannot be reached, the next beat tries again: %s", type(error).__name__)
            except Exception:  # a heart that stops at the first surprise saves nobody; the next beat tries again
                logger.exception("A sweep failed")
        connections.close_all()

    def beat(self) -> None:
        sweep.sweep()
        alone(self.import_without_broker)
        alone(self.see_to_dialling)

    def see_to_dialling(self) -> None:
        if dispatcher.one_per_process.locked() or not dispatcher.work_is_left():
            return
        if not task_queue.ring_now(task_queue.DIAL):
            self.work_without_broker()

    def work_without_broker(self) -> None:
        """What the broker would have started, started here."""
        threading.Thread(target=run_and_close, args=(dispatcher.run_shift,), name="shift", daemon=True).start()

    def import_without_broker(self) -> None:
        """Lists that wait although the sweep rang for them."""
        for batch_id in overdue_imports():
            if task_queue.ring_now(task_queue.IMPORT, batch_id=str(batch_id)):
                return
            alone(read_list, batch_id)


def read_list(batch_id: UUID) -> None:
    import_batch(batch_id, then=after_import)


def run_and_close(function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    except LOST as error:
        logger.warning("The database cannot be reached, a shift ended: %s", type(error).__name__)
    except Exception:  # nobody waits for this thread, and the next beat begins another
        logger.exception("A shift failed")
    finally:
        connections.close_all()


heart = Heart()


@worker_init.connect
def start(**_: Any) -> None:
    """Before the worker is ready: without the broker it never is, and then nobody else would look."""
    keep_no_queries()
    collect_rarely()
    if not heart.is_alive():
        heart.start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """Claims stop at once; calls in flight get a few seconds, then they are in doubt and reconciled later."""
    dispatcher.stopping.set()
    heart.stopped.set()
