"""What the web server sends: gunicorn's own response in fewer writes, and refusals of its own.

Gunicorn checks status, headers and framing. Here the head leaves together with the first bytes of
the body, because each write wakes the client, and costs more than making the response.
"""

import json
import socket
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from gunicorn import util
from gunicorn.http import errors
from gunicorn.http.body import LengthReader
from gunicorn.http.wsgi import Response

REFUSAL_OF_ERROR = {
    errors.LimitRequestLine: (414, "URI too long"),
    errors.LimitRequestHeaders: (431, "Request headers too large"),
    errors.ExpectationFailed: (417, "Expectation failed"),
    errors.UnsupportedTransferCoding: (501, "Unsupported transfer coding"),
    errors.InvalidResponseHeader: (500, "Internal server error"),
    errors.InvalidResponseHeaderName: (500, "Internal server error"),
    errors.ParseException: (400, "Bad request"),
}
DEFAULT_REFUSAL = (500, "Internal server error")
SOCKET_STALL_SECONDS = 60  # without a byte of a body read, or of a response sent
DISCARD_SECONDS = 5.0  # for the rest of a body that nobody reads
DISCARD_CHUNK_BYTES = 65_536


class WebResponse(Response):  # type: ignore[misc]  # the library is not typed
    """One response. What is left of the request's body is read before it begins: afterwards,
    gunicorn could only close a connection that the client may be using again already.
    """

    headers_sent: bool

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._held_head = b""

    def start_response(self, *arguments: Any) -> Any:
        """Prepare the head, with `Connection: close` when the body is too long or too slow."""
        body = self.req.body
        if body.failed or not (is_read(body) or discard_body(body, self.sock)):
            self.force_close()
        return super().start_response(*arguments)

    def default_headers(self) -> list[str]:
        """Return the status line and the headers that the server itself adds."""
        major, minor = self.req.version
        headers = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_http_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
        ]
        if self.chunked:
            headers.append("Transfer-Encoding: chunked\r\n")
        return headers

    def write(self, data: bytes) -> None:
        """Send a part of the body, the first one together with the head."""
        if not self.headers_sent:
            self._held_head = self._make_head()
            self.headers_sent = True
        super().write(data)

    def close(self) -> None:
        """Send what is still held back: the head of a response without a body."""
        if self.headers_sent:
            self._send_held_head()
        super().close()

    def sendfile(self, respiter: Any) -> bool:
        """Send a file. Raises OSError for a client that reads nothing of it for too long."""
        self.sock.settimeout(SOCKET_STALL_SECONDS)
        try:
            return bool(super().sendfile(respiter))
        finally:
            self.sock.settimeout(None)

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            data = b"%X\r\n%b\r\n" % (len(data), data)
        if self._held_head:
            data = self._held_head + data
            self._held_head = b""
        self.sock.sendall(data)

    def _send_held_head(self) -> None:
        if self._held_head:
            self.sock.sendall(self._held_head)
            self._held_head = b""

    def _make_head(self) -> bytes:
        lines = self.default_headers()
        lines += [f"{name}: {value}\r\n" for name, value in self.headers]
        lines.append("\r\n")
        return "".join(lines).encode("latin-1")


def is_read(body: Any) -> bool:
    """Whether a body is known to be read to its end, as most are."""
    reader = body.reader
    return isinstance(reader, LengthReader) and reader.length == 0 and body.buf.tell() == 0


def discard_body(body: Any, client: socket.socket) -> bool:
    """Read and drop the rest of a body. Returns False when it is too long or too slow."""
    ends_at = time.monotonic() + DISCARD_SECONDS
    discarded_bytes = 0
    try:
        while discarded_bytes <= settings.MAX_DISCARDED_BYTES:
            client.settimeout(max(ends_at - time.monotonic(), 0.001))
            chunk = body.read(DISCARD_CHUNK_BYTES)
            if not chunk:
                return True
            discarded_bytes += len(chunk)
    # A client that went away, or whose body is malformed, gets no further request answered.
    except (OSError, errors.ParseException):
        return False
    finally:
        client.settimeout(None)
    return False


def refusal_of(error: BaseException) -> tuple[int, str]:
    """The status and detail with which the server itself answers a request that failed so."""
    refusals = (refusal for kind, refusal in REFUSAL_OF_ERROR.items() if isinstance(error, kind))
    return next(refusals, DEFAULT_REFUSAL)


def refusal_bytes(status: int, detail: str) -> bytes:
    """A whole response in the API's form, after which the connection is closed."""
    body = json.dumps({"detail": detail})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return f"{head}\r\n{body}".encode()


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return str(util.http_date(second))
