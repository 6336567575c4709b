"""A thread in every worker that writes down what happened and carries it to the endpoints.

It needs no message to begin: what is to be delivered stands in rows, and any number of workers
share them.
"""

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery.signals import worker_ready, worker_shutting_down
from django.db import OperationalError, close_old_connections, connections
from django.db.models import Count

from voiceops.core.clock import database_now
from voiceops.core.isolation import run_isolated
from webhooks.collector import collect_events
from webhooks.delivery import prune_events, record_answer, send_delivery
from webhooks.models import WebhookDelivery, WebhookEndpoint

logger = logging.getLogger(__name__)
BEAT_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
PRUNE_SECONDS = 3600.0
DELIVERY_THREADS = 32  # threads of one worker, each with one try under way
AT_ONE_ENDPOINT = 4  # of these, so that a slow receiver holds up nobody else's news
AT_A_FAILING_ONE = 1
ROUND = 200  # deliveries, after which a carrier makes room for others


class DeliveryThread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="postman", daemon=True)
        self.stopped = threading.Event()
        self.bell = threading.Event()  # somebody came back: there is room for more
        self.pool = ThreadPoolExecutor(DELIVERY_THREADS, thread_name_prefix="carrier")
        self.under_way: Counter[UUID] = Counter()
        self.lock = threading.Lock()
        self.collected_at = self.pruned_at = 0.0

    def run(self) -> None:
        while not self.stopped.is_set():
            self.bell.wait(BEAT_SECONDS)
            self.bell.clear()
            try:
                close_old_connections()
                self.run_once()
            except (
                OperationalError
            ) as error:  # a database that is down is everybody's news, and needs no traceback
                logger.warning(
                    "The database cannot be reached, webhooks wait (%s)", type(error).__name__
                )
                self.stopped.wait(PATIENCE_SECONDS)
            except Exception:  # the next beat tries again: nothing is lost, it stands in rows
                logger.exception("Webhooks could not be looked after")
        connections.close_all()

    def run_once(self) -> None:
        if not WebhookEndpoint.unscoped.filter(is_enabled=True).exists():
            return
        now = time.monotonic()
        if now - self.collected_at >= BEAT_SECONDS:
            self.collected_at = now
            run_isolated(collect_events)
        if now - self.pruned_at >= PRUNE_SECONDS:
            self.pruned_at = now
            run_isolated(prune_events, database_now())
        self.dispatch()

    def dispatch(self) -> int:
        """Send carriers to where something is due, as far as there is room. Returns how many."""
        due = WebhookDelivery.unscoped.due(database_now()).order_by()
        sent = 0
        for endpoint_id, failing_since, waiting in due.values_list(
            "endpoint", "endpoint__failing_since"
        ).annotate(waiting=Count("pk")):
            most = AT_A_FAILING_ONE if failing_since else AT_ONE_ENDPOINT
            room = min(
                most - self.under_way[endpoint_id],
                DELIVERY_THREADS - self.under_way.total(),
                waiting,
            )
            for _ in range(room):
                self.count(endpoint_id, 1)
                self.pool.submit(self.deliver_endpoint, endpoint_id)
                sent += 1
        return sent

    def deliver_endpoint(self, endpoint_id: UUID) -> None:
        """Deliver what is due at one endpoint, one after the other, until something does not
        arrive.
        """
        try:
            for _ in range(ROUND):
                now = database_now()
                delivery = None if self.stopped.is_set() else claim_deliveries(endpoint_id, now)
                if delivery is None or not try_once(delivery, now):
                    break
        except Exception:  # leases run out, and what was claimed is due again
            logger.exception("A round to webhook %s came to nothing", endpoint_id)
        finally:
            connections.close_all()
            self.count(endpoint_id, -1)
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


def claim_deliveries(endpoint_id: UUID, now: datetime) -> WebhookDelivery | None:
    """Claim the delivery that has been due longest; None when nothing is."""
    waiting = (
        WebhookDelivery.unscoped.due(now).filter(endpoint=endpoint_id).order_by("due_at", "pk")
    )
    first = waiting.select_related("endpoint", "event")[
        :AT_ONE_ENDPOINT
    ]  # others may take some at the same time
    return next((delivery for delivery in first if delivery.claim(now)), None)


def try_once(delivery: WebhookDelivery, now: datetime) -> bool:
    """Whether it arrived."""
    began = time.monotonic()
    answer = send_delivery(delivery=delivery, now=now)
    took = timedelta(seconds=time.monotonic() - began)
    record_answer(
        delivery=delivery,
        answer=answer,
        now=now + took,
        duration_ms=int(took.total_seconds() * 1000),
    )
    return answer.is_success


delivery_thread = DeliveryThread()


@worker_ready.connect
def start(**_: Any) -> None:
    if not delivery_thread.is_alive():
        delivery_thread.start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """Tries under way may finish; what was claimed and not sent is due again when its lease is
    over.
    """
    delivery_thread.stop()
