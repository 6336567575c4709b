"""The whole line in one process: web server, sandbox and shifts, over real sockets, on the test
database.
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
from tests.sandbox_server import RunningSandbox
from worker import dispatcher, sweep

PATIENCE = 60.0


@dataclass
class Line:
    """A workspace with an agent and a number whose trunk exists at the sandbox."""

    box: RunningSandbox
    workspace: Workspace
    number: PhoneNumber

    def batch(self, *endings: str, **fields: Any) -> Batch:
        """A running batch of people whose numbers end so, which decides what becomes of them."""
        values = {"status": Batch.Status.RUNNING, "phone_number": self.number, **fields}
        batch = make.batch(self.workspace, **values)
        for ending in endings:
            make.recipient(batch, phone_number=f"+1202555{ending:0>4}")
        return batch

    def run(self, batch: Batch, *, until: Callable[[Batch], bool] | None = None) -> Batch:
        """Work shifts and sweeps until the batch is over (or `until` says so); then a last look at
        the rows.
        """
        over = until or (lambda b: b.status in ("completed", "stopped", "failed"))
        deadline = time.monotonic() + PATIENCE
        stop = threading.Event()
        threads = [
            threading.Thread(target=work, args=(stop,), name=work.__name__)
            for work in (shifts, sweeps)
        ]
        for thread in threads:
            thread.start()
        try:
            while not over(batch):
                assert time.monotonic() < deadline, f"{batch.status}: {outcomes(batch)}"
                time.sleep(0.1)
                batch.refresh_from_db()
        finally:
            stop.set()
            dispatcher.stopping.set()
            for thread in threads:
                thread.join(PATIENCE)
            dispatcher.stopping.clear()
        return batch


def shifts(stop: threading.Event) -> None:
    """What Celery does in a worker: a shift while there is work."""
    repeat(lambda: dispatcher.has_work() and dispatcher.run_dispatcher(), 0.05, stop)


def sweeps(stop: threading.Event) -> None:
    """What a worker's heart does, more often than in production."""
    repeat(sweep.sweep, 0.5, stop)


def repeat(step: Callable[[], object], every: float, stop: threading.Event) -> None:
    try:
        while not stop.wait(every):
            step()
        while settlement.settle_calls().calls:
            pass
    finally:
        connections.close_all()


def outcomes(batch: Batch) -> dict[str, tuple[str, str | None, int]]:
    """(status, outcome, attempts) by the last two digits."""
    people = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    return {
        person.phone_number[-2:]: (person.status, person.outcome, person.attempts)
        for person in people
    }


@pytest.fixture
def box(live_server: LiveServer, settings: Settings) -> Iterator[RunningSandbox]:
    with sandbox_server.start(
        speed=40.0, webhook_url=f"{live_server.url}/livekit/webhook"
    ) as running:
        settings.LIVEKIT_URL = running.url
        settings.PUBLIC_URL = live_server.url
        settings.SANDBOX_SPEED = 40.0
        settings.DIAL_FENCE_SECONDS = 10 + (60 + 80) / 40.0 + 5
        settings.SECURE_SSL_REDIRECT = False
        yield running
    time.sleep(
        0.5
    )  # the web server still answers what the sandbox sent last; the flush would wait for its locks


@pytest.fixture
def line(box: RunningSandbox, transactional_db: None) -> Line:
    workspace = make.workspace()
    number = make.phone_number(workspace, calls_per_second=20, max_concurrent_calls=100)
    trunk = number.trunks.get()
    trunk.livekit_trunk_id = asyncio.run(trunk_at_livekit(number.phone_number))
    trunk.save(update_fields=["livekit_trunk_id"])
    return Line(box=box, workspace=workspace, number=number)


async def trunk_at_livekit(number: str) -> str:
    async with session() as livekit:
        info = api.SIPOutboundTrunkInfo(name="test", address="sip.example.com", numbers=[number])
        made = await livekit.api.sip.create_outbound_trunk(
            api.CreateSIPOutboundTrunkRequest(trunk=info)
        )
    return str(made.sip_trunk_id)
