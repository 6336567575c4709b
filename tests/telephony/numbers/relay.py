"""A relay in front of the sandbox that breaks chosen requests, before or after they are handled."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests


@dataclass
class Break:
    """A fault for requests whose path ends with `path`.

    With `after` the request is handled first. Without a `status` the connection is closed.
    """

    path: str
    after: bool = False
    status: int = 0
    body: bytes = b'{"code": "internal", "msg": "twirp error unknown: it broke"}'
    times: int = 1


@dataclass
class Relay:
    """A running relay; `seen` holds the path of every request."""

    url: str
    breaks: list[Break] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def find_fault(self, path: str) -> Break | None:
        self.seen.append(path)
        found = next((b for b in self.breaks if b.times > 0 and path.endswith(b.path)), None)
        if found is not None:
            found.times -= 1
        return found


@contextmanager
def relay_to(target: str) -> Iterator[Relay]:
    session = requests.Session()
    session.trust_env = False

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            """Tests are quiet."""

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = relay.find_fault(urlsplit(self.path).path)
            if fault is None or fault.after:
                headers = dict(self.headers)
                answer = session.request(
                    self.command, f"{target}{self.path}", data=content, headers=headers, timeout=10
                )
                status, body, kind = (
                    answer.status_code,
                    answer.content,
                    answer.headers["Content-Type"],
                )
            if fault is not None:
                status, body, kind = fault.status, fault.body, "application/json"
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815  # the server's name for it

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    relay = Relay(url=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, name="relay", daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()
        session.close()
        thread.join(5)
