"""Webhooks of one workspace, however many and slow, do not silence another's."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Recipient
from tests import make
from tests.webhooks.conftest import Receiver
from webhooks import collector
from webhooks.collector import collect_events
from webhooks.models import WebhookDelivery, WebhookEvent
from worker.periodic import webhook_delivery
from worker.periodic.webhook_delivery import DELIVERY_THREADS, WebhookDeliverer

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def silent_receiver() -> Iterator[str]:
    """The address of a server that accepts connections and answers nothing until it is closed."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


@contextmanager
def deliverer() -> Iterator[WebhookDeliverer]:
    made = WebhookDeliverer()
    try:
        yield made
    finally:
        made.stopped.set()
        made.pool.shutdown(wait=True)


def wait_for(condition: Any) -> None:
    ends_at = time.monotonic() + 10
    while not condition() and time.monotonic() < ends_at:
        time.sleep(0.02)
    assert condition()


def flood(of: Workspace, url: str, *, endpoints: int = 20, each: int = 5) -> None:
    for _ in range(endpoints):
        endpoint = make.webhook(of, url=url)
        for _ in range(each):
            make.delivery(endpoint)


def test_a_neighbours_webhook_arrives_while_slow_receivers_hold_their_places(
    ours: Workspace, theirs: Workspace, receiver: Receiver
) -> None:
    with deliverer() as running, silent_receiver() as url:
        flood(ours, url)
        started = running.start_deliveries()
        more = running.start_deliveries()
        make.delivery(make.webhook(theirs, url=receiver.url))
        theirs_started = running.start_deliveries()
        wait_for(lambda: len(receiver.requests) == 1)

    assert (started, more, theirs_started) == (DELIVERY_THREADS // 2, 0, 1)
    assert WebhookDelivery.unscoped.filter(workspace=theirs, status="delivered").count() == 1
    assert not running.places.by_workspace
    assert not running.under_way


@pytest.mark.usefixtures("receiver")
def test_an_endpoint_gets_a_thread_for_each_delivery_up_to_its_limit(ours: Workspace) -> None:
    with deliverer() as running, silent_receiver() as url:
        flood(ours, url, endpoints=1, each=2)
        flood(ours, url, endpoints=1, each=9)
        failing = make.webhook(ours, url=url, failing_since=timezone.now())
        for _ in range(3):
            make.delivery(failing)
        started = running.start_deliveries()
        per_endpoint = sorted(running.under_way.values())

    assert (started, per_endpoint) == (7, [1, 2, 4])


def test_a_thread_gives_its_place_back_after_a_turn(
    ours: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_delivery, "MAX_TURN_SECONDS", -1.0)
    flood(ours, receiver.url, endpoints=1, each=1)

    with deliverer() as running:
        running.start_deliveries()
        wait_for(lambda: not running.places.by_workspace)

    assert receiver.requests == []
    assert WebhookDelivery.unscoped.get().status == "pending"


def test_skipped_recipients_of_one_workspace_do_not_hold_back_anothers(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "MAX_UNREPORTED_PER_RUN", 10)
    monkeypatch.setattr(collector, "MIN_UNREPORTED_PER_WORKSPACE", 1)
    monkeypatch.setattr(collector, "EVENT_PAGE_ROWS", 3)
    for workspace, count in ((ours, 30), (theirs, 5)):
        make.webhook(workspace)
        batch = make.batch(workspace)
        for _ in range(count):
            make.recipient(batch, status="skipped", reason="suppressed")
    Recipient.unscoped.update(unreported_at=timezone.now())

    collect_events()

    stored = [WebhookEvent.unscoped.filter(workspace=pk).count() for pk in (ours, theirs)]
    assert stored == [5, 5]
