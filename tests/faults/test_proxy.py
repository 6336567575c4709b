"""F8, its second half: a proxy between us and LiveKit answers 503 in HTML, and nobody can tell what
it did before.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from pytest_django import Settings

from telephony.models import Call
from tests.faults.conftest import Line, outcomes

pytestmark = [pytest.mark.slow]

PAGE = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
DIAL = "CreateSIPParticipant"


class Proxy(ThreadingHTTPServer):
    """Forwards everything; the first `lies` dials are answered with its own page all the same."""

    daemon_threads = True

    def __init__(self, target: str, *, lies: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.lies = target, lies


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kept = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        answer = requests.post(
            f"{self.server.target}{self.path}", data=body, headers=kept, timeout=60
        )
        if self.path.endswith(DIAL) and self.server.lies > 0:
            self.server.lies -= 1
            self.reply(503, "text/html", PAGE)
        else:
            self.reply(answer.status_code, answer.headers.get("Content-Type", ""), answer.content)

    def reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def proxy(line: Line, settings: Settings) -> Iterator[Proxy]:
    with Proxy(line.box.url, lies=1) as proxy:
        settings.LIVEKIT_URL = f"http://127.0.0.1:{proxy.server_address[1]}"
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


def test_a_proxys_own_503_leaves_the_call_in_doubt_and_dials_once(line: Line, proxy: Proxy) -> None:
    batch = line.batch("01")

    line.run(batch)

    assert outcomes(batch) == {"01": ("completed", "answered", 1)}
    assert len(line.box.dials()) == 1
    assert Call.unscoped.filter(batch_id=batch.pk).count() == 1
