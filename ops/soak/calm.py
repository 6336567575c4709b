"""The calm workspace: it calls a list, reads its lists and receives webhooks, and every step is
measured.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import requests
from django.utils import timezone

from ops.demo.client import Api, ApiError
from ops.drill.world import BATCH_AREA_CODES
from telephony.models import Call
from webhooks.models import WebhookDelivery

CALM_RATE = 2.0  # calls per second: far below what two cores dial, so that only others slow it down
ANSWERED_ENDINGS = (
    55  # numbers ending in 00 to 54 answer and talk (docs/reference/api-contract.md §11)
)
MAX_CALM_RECIPIENTS = ANSWERED_ENDINGS * len(BATCH_AREA_CODES)
READ_PAUSE_SECONDS = 0.2


@dataclass
class CalmWorkspace:
    """Reads in a thread of its own. `read_seconds` are the times of its GETs, in order."""

    api: Api
    agent_id: str
    phone_number_id: str
    batch_id: str = ""
    read_seconds: list[float] = field(default_factory=list)
    failed_reads: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def start_batch(self, folder: Path, seconds: float) -> None:
        """Upload and start a list that is called for about so long."""
        wanted = int(CALM_RATE * seconds)
        numbers = [
            f"+1{area}55501{ending:02}"
            for area in BATCH_AREA_CODES
            for ending in range(ANSWERED_ENDINGS)
        ]
        file = folder / "calm.csv"
        file.write_text("phone\n" + "\n".join(numbers[:wanted]) + "\n")
        fields = {
            "agent_id": self.agent_id,
            "phone_number_id": self.phone_number_id,
            "start": "now",
            "name": "Calm",
        }
        self.batch_id = self.api.upload("/batches", file, fields)["id"]

    def read_lists(self) -> None:
        """Read one list after the other until stopped."""
        paths = (
            "/agents",
            "/batches",
            "/calls",
            f"/batches/{self.batch_id}",
            f"/batches/{self.batch_id}/recipients",
        )
        turn = 0
        while not self.stopped.is_set():
            began = time.monotonic()
            try:
                self.api.get_with_retry(paths[turn % len(paths)], give_up=lambda: True)
            except (requests.RequestException, ApiError):
                self.failed_reads += 1
            self.read_seconds.append(time.monotonic() - began)
            turn += 1
            self.stopped.wait(READ_PAUSE_SECONDS)

    def count_dials(self) -> int:
        return Call.unscoped.filter(batch_id=UUID(self.batch_id), dialed_at__isnull=False).count()

    def slowest_percent(self) -> float:
        """Return the seconds that 99 of 100 reads did not exceed."""
        ordered = sorted(self.read_seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0

    def pace_share(self) -> float:
        """Return which share of its calls per second the batch has used since it began dialling."""
        rows = Call.unscoped.filter(batch_id=UUID(self.batch_id), dialed_at__isnull=False)
        times = sorted(at.timestamp() for at in rows.values_list("dialed_at", flat=True) if at)
        if len(times) < 2:
            return 0.0
        # A batch that stopped half-way was not on pace until its last call.
        end = max(times[-1], min(time.time(), times[0] + self.planned_seconds))
        return (len(times) - 1) / (end - times[0]) / CALM_RATE

    @property
    def planned_seconds(self) -> float:
        """How long the batch takes at its full pace."""
        recipients = self.api.get(f"/batches/{self.batch_id}")["counts"]["total"]
        return max(int(recipients) - 1, 1) / CALM_RATE

    def longest_webhook_seconds(self) -> tuple[float, int]:
        """Return the longest time from an event to its arrival (or now), and how many came."""
        deliveries = WebhookDelivery.unscoped.filter(
            endpoint__workspace=self.workspace_id
        ).select_related("event")
        now = timezone.now()
        lags = [
            ((row.delivered_at or now) - row.event.at).total_seconds()
            for row in deliveries.only("delivered_at", "event__at")
        ]
        arrived = deliveries.filter(delivered_at__isnull=False).count()
        return max(lags, default=0.0), arrived

    @property
    def workspace_id(self) -> UUID:
        return UUID(self.api.get("/auth/me")["default_workspace_id"])


@contextmanager
def receiver() -> Iterator[str]:
    """The address of a server that accepts every webhook."""

    class Accepting(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Accepting)
    threading.Thread(target=server.serve_forever, name="receiver", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
