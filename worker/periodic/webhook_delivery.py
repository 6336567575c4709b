"""Collects webhook events and delivers them to their endpoints.

What is due stands in rows, so no message starts this, and any number of workers share the work.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import connections
from django.db.models import Exists, OuterRef

from voiceops.core.clock import database_now
from voiceops.core.fair_places import FairPlaces
from voiceops.core.isolation import run_isolated
from voiceops.core.safe_http import HttpResult
from webhooks.collector import collect_events
from webhooks.delivery import prune_events, record_answer, send_delivery
from webhooks.models import WebhookDelivery, WebhookEndpoint

logger = logging.getLogger(__name__)
NOT_SENT = HttpResult(None, error="The message could not be sent because of an internal error")

COLLECT_INTERVAL_SECONDS = 1.0
PRUNE_INTERVAL_SECONDS = 3600.0
DELIVERY_THREADS = 32  # per worker, each with one attempt under way; workspaces share them
MAX_ATTEMPTS_PER_ENDPOINT = 4  # of these, so that a slow receiver delays no other
MAX_ATTEMPTS_PER_FAILING_ENDPOINT = 1
# Then a thread makes room for other endpoints.
MAX_DELIVERIES_PER_TURN = 200
MAX_TURN_SECONDS = 20.0


class WebhookDeliverer:
    """Delivers due webhooks in a pool of threads, which workspaces share, a few per endpoint."""

    def __init__(self) -> None:
        self.on_free_place: Callable[[], None] = lambda: None
        self.stopped = threading.Event()
        self.pool = ThreadPoolExecutor(DELIVERY_THREADS, thread_name_prefix="delivery")
        self.under_way: Counter[UUID] = Counter()
        self.places = FairPlaces()
        self.lock = threading.Lock()
        self.collected_at = 0.0  # monotonic
        self.pruned_at = 0.0

    def run_once(self) -> None:
        """Collect new events and delete old ones when that is due, then start deliveries.

        Raises OperationalError or InterfaceError when the database is unreachable.
        """
        # Without endpoints, events need not be collected.
        if not WebhookEndpoint.unscoped.filter(is_enabled=True).exists():
            return
        now = time.monotonic()
        if now - self.collected_at >= COLLECT_INTERVAL_SECONDS:
            self.collected_at = now
            run_isolated(collect_events)
        if now - self.pruned_at >= PRUNE_INTERVAL_SECONDS:
            self.pruned_at = now
            run_isolated(prune_events, database_now())
        self.start_deliveries()

    def start_deliveries(self) -> int:
        """Start threads for endpoints with due deliveries, as many as limits and the shares of
        workspaces allow; returns how many.
        """
        now = database_now()
        waiting = deque(self._endpoints_in_turn(now))
        wanted: dict[UUID, int] = {}
        started = 0
        # A thread for each endpoint, then a second one, for as long as there are places.
        while waiting:
            endpoint = waiting.popleft()
            workspace = str(endpoint.workspace_id)
            if not self.places.has_place(workspace, total=DELIVERY_THREADS):
                continue
            if endpoint.pk not in wanted:
                wanted[endpoint.pk] = self._count_wanted(endpoint, now)
            if wanted[endpoint.pk] <= 0:
                continue
            give_back = self.places.try_reserve(workspace, total=DELIVERY_THREADS)
            if give_back is None:
                continue
            wanted[endpoint.pk] -= 1
            self.change_count(endpoint.pk, 1)
            self.pool.submit(self.deliver_endpoint, endpoint.pk, give_back)
            started += 1
            waiting.append(endpoint)
        return started

    def _endpoints_in_turn(self, now: datetime) -> list[WebhookEndpoint]:
        """Endpoints with due deliveries, those first whose workspaces have the fewest threads."""
        due = WebhookDelivery.unscoped.due(now).filter(endpoint=OuterRef("pk"))
        endpoints = WebhookEndpoint.unscoped.filter(Exists(due), is_enabled=True).order_by("pk")
        held = self.places.by_workspace
        return sorted(endpoints, key=lambda endpoint: held[str(endpoint.workspace_id)])

    def _count_wanted(self, endpoint: WebhookEndpoint, now: datetime) -> int:
        """Return how many more threads the endpoint may and can use."""
        is_failing = endpoint.failing_since is not None
        limit = MAX_ATTEMPTS_PER_FAILING_ENDPOINT if is_failing else MAX_ATTEMPTS_PER_ENDPOINT
        # Only as many as matter are counted: a backlog may have a million.
        due = WebhookDelivery.unscoped.due(now).filter(endpoint=endpoint.pk)[:limit].count()
        return min(limit - self.under_way[endpoint.pk], due)

    def deliver_endpoint(self, endpoint_id: UUID, give_place_back: Callable[[], None]) -> None:
        """Deliver what is due at one endpoint, one after the other, until an attempt fails or the
        turn ends.
        """
        ends_at = time.monotonic() + MAX_TURN_SECONDS
        try:
            for _ in range(MAX_DELIVERIES_PER_TURN):
                if time.monotonic() > ends_at:
                    break
                now = database_now()
                delivery = None if self.stopped.is_set() else claim_delivery(endpoint_id, now)
                # After a failure the endpoint is probably down, so its other deliveries wait too.
                if delivery is None or not attempt_delivery(delivery, now):
                    break
        except Exception:  # leases expire, and what was claimed is due again
            logger.exception("Delivering to webhook %s failed", endpoint_id)
        finally:
            # The pool keeps the thread, and with it this connection.
            connections.close_all()
            self.change_count(endpoint_id, -1)
            give_place_back()
            self.on_free_place()

    def change_count(self, endpoint_id: UUID, change: int) -> None:
        """Count a thread of this endpoint in (1) or out (-1)."""
        with self.lock:
            self.under_way[endpoint_id] += change
            if not self.under_way[endpoint_id]:
                del self.under_way[endpoint_id]

    def stop(self) -> None:
        """Start no further deliveries. Attempts under way may finish."""
        self.stopped.set()
        self.pool.shutdown(wait=False, cancel_futures=True)


def claim_delivery(endpoint_id: UUID, now: datetime) -> WebhookDelivery | None:
    """Claim the delivery that has been due longest; None when nothing is due."""
    due = WebhookDelivery.unscoped.due(now).filter(endpoint=endpoint_id).order_by("due_at", "pk")
    # Other threads may claim some of these at the same time, so look at as many as there can be.
    candidates = due.select_related("endpoint", "event")[:MAX_ATTEMPTS_PER_ENDPOINT]
    return next((delivery for delivery in candidates if delivery.claim(now)), None)


def attempt_delivery(delivery: WebhookDelivery, now: datetime) -> bool:
    """Send one claimed delivery and record the answer; returns whether it arrived."""
    began = time.monotonic()
    # What cannot even be sent, such as a secret that no key decrypts, is a failed attempt:
    # recorded, and tried again on the usual schedule.
    answer = run_isolated(partial(send_delivery, delivery=delivery, now=now)) or NOT_SENT
    # In whole milliseconds, so that the moment of the signature can be computed from the row.
    duration_ms = int((time.monotonic() - began) * 1000)
    answered_at = now + timedelta(milliseconds=duration_ms)
    record_answer(delivery=delivery, answer=answer, now=answered_at, duration_ms=duration_ms)
    return answer.is_success
