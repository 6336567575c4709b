"""A whole installation in one process: web server, sandbox, dispatcher and sweep, over real
sockets, on the test database.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections
from livekit import api
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import Workspace
from batches.dialing import settlement
from batches.models import Batch, Recipient
from telephony.clients.livekit.session import session
from telephony.models import PhoneNumber
from tests import make, sandbox_server
from tests.intake_thread import applying_events
from tests.sandbox_server import RunningSandbox
from worker import dispatcher, sweep

BATCH_TIMEOUT_SECONDS = 60.0
SIMULATION_SPEED = 40.0


@dataclass
class Installation:
    """A workspace with a number whose trunk exists in the sandbox."""

    sandbox: RunningSandbox
    workspace: Workspace
    number: PhoneNumber

    def create_batch(self, *endings: str, **fields: Any) -> Batch:
        """A running batch of recipients with these last digits, which decide their outcomes."""
        values = {"status": Batch.Status.RUNNING, "phone_number": self.number, **fields}
        batch = make.batch(self.workspace, **values)
        for ending in endings:
            make.recipient(batch, phone_number=f"+1202555{ending:0>4}")
        return batch

    def run_batch(self, batch: Batch, *, until: Callable[[Batch], bool] | None = None) -> Batch:
        """Run dispatcher and sweep until the batch has ended, or until `until` returns True.

        Returns the batch as it then is. Raises AssertionError when that takes more than a minute.
        """
        is_over = until or (lambda batch: batch.status in Batch.Status.final())
        deadline = time.monotonic() + BATCH_TIMEOUT_SECONDS
        stop = threading.Event()
        threads = [
            threading.Thread(target=work, args=(stop,), name=work.__name__)
            for work in (run_dispatchers, run_sweeps)
        ]
        for thread in threads:
            thread.start()
        try:
            while not is_over(batch):
                # Without its threads the batch would never end.
                assert all(thread.is_alive() for thread in threads), "dispatcher or sweep failed"
                assert time.monotonic() < deadline, f"{batch.status}: {results_of(batch)}"
                time.sleep(0.1)
                batch.refresh_from_db()
        finally:
            stop.set()
            dispatcher.stopping.set()
            for thread in threads:
                thread.join(BATCH_TIMEOUT_SECONDS)
            dispatcher.stopping.clear()
        return batch


def run_dispatchers(stop: threading.Event) -> None:
    """What Celery does in a worker: start a dispatcher while there is work."""
    repeat(lambda: dispatcher.has_work() and dispatcher.run_dispatcher(), 0.05, stop)


def run_sweeps(stop: threading.Event) -> None:
    """What the periodic thread of a worker does, more often than in production."""
    repeat(sweep.sweep, 0.5, stop)


def repeat(step: Callable[[], object], pause_seconds: float, stop: threading.Event) -> None:
    """Repeat `step` until `stop` is set, then settle the calls that have ended."""
    try:
        while not stop.wait(pause_seconds):
            step()
        while settlement.settle_calls().calls:
            pass
    finally:
        connections.close_all()


def results_of(batch: Batch) -> dict[str, tuple[str, str | None, int]]:
    """(status, outcome, attempts) of each recipient, by the last two digits of the number."""
    recipients = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    return {
        recipient.phone_number[-2:]: (recipient.status, recipient.outcome, recipient.attempts)
        for recipient in recipients
    }


@pytest.fixture
def box(live_server: LiveServer, settings: Settings) -> Iterator[RunningSandbox]:
    """A sandbox that sends its webhooks to the live server; the fence is scaled to its speed."""
    webhook_url = f"{live_server.url}/livekit/webhook"
    with (
        sandbox_server.start(speed=SIMULATION_SPEED, webhook_url=webhook_url) as running,
        applying_events(),
    ):
        settings.LIVEKIT_URL = running.url
        settings.PUBLIC_URL = live_server.url
        settings.SANDBOX_SPEED = SIMULATION_SPEED
        settings.DIAL_FENCE_SECONDS = 10 + (60 + 80) / SIMULATION_SPEED + 5
        settings.SECURE_SSL_REDIRECT = False
        yield running
    # The web server may still be handling the last webhook, and flushing the database would wait
    # for its locks.
    time.sleep(0.5)


@pytest.fixture
def installation(box: RunningSandbox, transactional_db: None) -> Installation:
    workspace = make.workspace()
    number = make.phone_number(workspace, calls_per_second=20, max_concurrent_calls=100)
    trunk = number.trunks.get()
    trunk.livekit_trunk_id = asyncio.run(create_livekit_trunk(number.phone_number))
    trunk.save(update_fields=["livekit_trunk_id"])
    return Installation(sandbox=box, workspace=workspace, number=number)


async def create_livekit_trunk(number: str) -> str:
    async with session() as livekit:
        info = api.SIPOutboundTrunkInfo(name="test", address="sip.example.com", numbers=[number])
        trunk = await livekit.api.sip.create_outbound_trunk(
            api.CreateSIPOutboundTrunkRequest(trunk=info)
        )
    return str(trunk.sip_trunk_id)
