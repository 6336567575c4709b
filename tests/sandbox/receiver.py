"""An HTTP server that records POSTs: LiveKit's events at /events, agents' reports at
/report/<call>.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from livekit import api


@dataclass
class Post:
    path: str
    authorization: str
    content_type: str
    body: str


@dataclass
class Receiver:
    """A running receiver, and the POSTs it got."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    # The statuses of the next answers; later ones are 200.
    statuses: list[int] = field(default_factory=list)
    body: bytes = b"{}"
    key: str = "sandbox"
    secret: str = "example-livekit-secret-of-the-sandbox-0123456789"

    def events(self) -> list[Any]:
        """Return LiveKit's events in order of arrival, verified as an application verifies them."""
        verifier = api.WebhookReceiver(api.TokenVerifier(self.key, self.secret))
        return [
            verifier.receive(p.body, p.authorization) for p in self.posts if p.path == "/events"
        ]

    def of_room(self, room: str) -> list[tuple[str, str]]:
        """Return (event, participant) of a room's events, without those of egress."""
        return [
            (e.event, e.participant.identity.partition("-")[0])
            for e in self.events()
            if e.room.name == room
        ]

    def reports(self, call: str) -> list[dict[str, Any]]:
        posts = [json.loads(p.body)["events"] for p in self.posts if p.path == f"/report/{call}"]
        return [event for events in posts for event in events]


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the name http.server calls
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = self.headers
            receiver.posts.append(
                Post(
                    self.path,
                    headers.get("Authorization", ""),
                    headers.get("Content-Type", ""),
                    body,
                )
            )
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, format: str, *args: Any) -> None:  # http.server's parameter
            return

    class Server(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
