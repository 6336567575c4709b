"""A thread in every worker that writes down what happened and carries it to the endpoints.

It needs no message to begin: what is to be delivered stands in rows, and any number of workers share them.
"""

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from celery.signals import worker_ready, worker_shutting_down
from django.db import OperationalError, close_old_connections, connections

from voiceops.clock import database_now
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.outbox import collect
from webhooks.services import deliver, note_answer, prune

logger = logging.getLogger(__name__)
BEAT_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
PRUNE_SECONDS = 3600.0
CARRIERS = 32  # tries under way in one worker
AT_ONE_ENDPOINT = 4  # of these, so that a slow receiver holds up nobody else's news
AT_A_FAILING_ONE = 1


class Postman(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="postman", daemon=True)
        self.stopped = threading.Event()
        self.bell = threading.Event()  # somebody came back: there is room for more
        self.pool = ThreadPoolExecutor(CARRIERS, thread_name_prefix="carrier")
        self.under_way: Counter[UUID] = Counter()
        self.lock = threading.Lock()
        self.collected_at = self.pruned_at = 0.0

    def run(self) -> None:
        while not self.stopped.is_set():
            self.bell.wait(BEAT_SECONDS)
            self.bell.clear()
            try:
                close_old_connections()
                self.beat()
            except OperationalError as error:  # a database that is down is everybody's news, and needs no traceback
                logger.warning("The database cannot be reached, webhooks wait (%s)", type(error).__name__)
                self.stopped.wait(PATIENCE_SECONDS)
            except Exception:  # the next beat tries again: nothing is lost, it stands in rows
                logger.exception("Webhooks could not be looked after")
        connections.close_all()

    def beat(self) -> None:
        if not WebhookEndpoint.unscoped.filter(is_enabled=True).exists():
            return
        now = time.monotonic()
        if now - self.collected_at >= BEAT_SECONDS:
            self.collected_at = now
            collect()
        if now - self.pruned_at >= PRUNE_SECONDS:
            self.pruned_at = now
            prune(database_now())
        self.send_out()

    def send_out(self) -> int:
        """Claim what is due, as far as there is room, and give it to the carriers. Returns how many."""
        now = database_now()
        due = WebhookDelivery.unscoped.due(now)
        taken = 0
        for endpoint_id, failing_since in due.values_list("endpoint", "endpoint__failing_since").distinct().order_by():
            most = AT_A_FAILING_ONE if failing_since else AT_ONE_ENDPOINT
            room = min(most - self.under_way[endpoint_id], CARRIERS - self.under_way.total())
            waiting = due.filter(endpoint=endpoint_id).select_related("endpoint__workspace", "event")
            for delivery in waiting.order_by("due_at", "pk")[: max(room, 0)]:
                if delivery.claim(now):
                    self.count(endpoint_id, 1)
                    self.pool.submit(self.carry, delivery)
                    taken += 1
        return taken

    def carry(self, delivery: WebhookDelivery) -> None:
        try:
            now, began = database_now(), time.monotonic()
            answer = deliver(delivery=delivery, now=now)
            took = int((time.monotonic() - began) * 1000)
            note_answer(delivery=delivery, answer=answer, now=database_now(), duration_ms=took)
        except Exception:  # the lease runs out and the delivery is due again
            logger.exception("Delivery %s came to nothing", delivery.pk)
        finally:
            connections.close_all()
            self.count(delivery.endpoint_id, -1)
            self.bell.set()

    def count(self, endpoint_id: UUID, change: int) -> None:
        with self.lock:
            self.under_way[endpoint_id] += change
            if not self.under_way[endpoint_id]:
                del self.under_way[endpoint_id]

    def stop(self) -> None:
        self.stopped.set()
        self.bell.set()
        self.pool.shutdown(wait=False, cancel_futures=True)


postman = Postman()


@worker_ready.connect
def start(**_: Any) -> None:
    if not postman.is_alive():
        postman.start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """Tries under way may finish; what was claimed and not sent is due again when its lease is over."""
    postman.stop()
