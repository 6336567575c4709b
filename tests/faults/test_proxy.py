"""The second half of F8: a proxy between us and LiveKit answers 503 in HTML, which does not show
whether it had forwarded the request.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from pytest_django import Settings

from telephony.models import Call
from tests.faults.conftest import Installation, results_of

pytestmark = [pytest.mark.slow]

PAGE = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
DIAL = "CreateSIPParticipant"


class Proxy(ThreadingHTTPServer):
    """Forwards every request, but answers the first `false_refusals` dials with its own page."""

    daemon_threads = True

    def __init__(self, target: str, *, false_refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.false_refusals = target, false_refusals


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        response = requests.post(
            f"{self.server.target}{self.path}", data=body, headers=headers, timeout=60
        )
        if self.path.endswith(DIAL) and self.server.false_refusals > 0:
            self.server.false_refusals -= 1
            self.reply(503, "text/html", PAGE)
        else:
            self.reply(
                response.status_code, response.headers.get("Content-Type", ""), response.content
            )

    def reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Not needed in a test."""


@pytest.fixture
def proxy(installation: Installation, settings: Settings) -> Iterator[Proxy]:
    with Proxy(installation.sandbox.url, false_refusals=1) as proxy:
        settings.LIVEKIT_URL = f"http://127.0.0.1:{proxy.server_address[1]}"
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


def test_a_proxys_own_503_leaves_the_call_in_doubt_without_a_second_dial(
    installation: Installation, proxy: Proxy
) -> None:
    batch = installation.create_batch("01")

    installation.run_batch(batch)

    assert results_of(batch) == {"01": ("completed", "answered", 1)}
    assert len(installation.sandbox.dials()) == 1
    assert Call.unscoped.filter(batch_id=batch.pk).count() == 1
