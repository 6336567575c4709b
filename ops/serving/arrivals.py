"""How much of a request has arrived on a connection, and how much of it is waited for.

A thread that reads a request waits for its client. So it gets one that has arrived: its head, and a
body that is not long. Otherwise forty clients that send half a head, or nothing, hold all threads
of a process for half a minute, and do so again.
"""

import re
import socket
from typing import Any

MAX_AWAITED_BYTES = 65_536  # a head that is longer is refused
# Of a longer body this much is waited for. The rest is read by a thread, as it comes.
MAX_AWAITED_BODY_BYTES = 16_384
MOST_REQUESTS_BYTES = 8_192  # looked at first: few requests are longer
HEAD_END = b"\r\n\r\n"
CHUNKS_END = b"\r\n0\r\n\r\n"
BODY_HEADERS = (b"\r\ncontent-length:", b"\r\ntransfer-encoding:", b"\r\nexpect:", b"\r\nupgrade:")
BODY_HEADER = re.compile(rb"\r\n(content-length|transfer-encoding|expect|upgrade):([^\r\n]*)")
# Their client sends nothing more before it has an answer.
ASKING_HEADERS = {b"expect", b"upgrade"}
MAX_LENGTH_DIGITS = 12


def received_bytes(connection: Any) -> bytes | None:
    """Return what has arrived of a connection's next request, without taking it.

    None when the client has closed the connection, or it is broken: then reading does not wait.
    """
    # What was read ahead of the last request is no longer on the socket.
    ahead: bytes = connection.parser.unreader.buf.getvalue() if connection.parser else b""
    try:
        sent = _peek(connection.sock, MOST_REQUESTS_BYTES)
        if len(sent) == MOST_REQUESTS_BYTES:
            sent = _peek(connection.sock, MAX_AWAITED_BYTES)
    except BlockingIOError:  # nothing has arrived yet
        return ahead
    except OSError:
        return None
    return ahead + sent if sent else None


def awaited_bytes(received: bytes) -> int:
    """Return how many bytes there must be at least before a thread reads the request; no more than
    there are when one may read it now.
    """
    count = len(received)
    if count >= MAX_AWAITED_BYTES:
        return count
    # One empty line may come before a request.
    begin = 2 if received.startswith(b"\r\n") else 0
    end = received.find(HEAD_END, begin)
    if end < 0:
        # A line that ends otherwise is refused at once.
        is_refused = received.count(b"\n") != received.count(b"\r\n")
        return count if is_refused else count + 1
    head = received[begin:end].lower()
    if not any(header in head for header in BODY_HEADERS):  # of most requests
        return count
    return max(count, min(_awaited_with_body(received, head, end), MAX_AWAITED_BYTES))


def _awaited_with_body(received: bytes, head: bytes, end: int) -> int:
    """Return how many bytes are awaited of a request with this head, in lower case, that ends there
    and says something about a body.
    """
    headers = {name: value.strip() for name, value in BODY_HEADER.findall(head)}
    if headers.keys() & ASKING_HEADERS:
        return end
    if b"transfer-encoding" in headers:
        if b"chunked" not in headers[b"transfer-encoding"]:
            return end  # it is refused
        is_enough = received.find(CHUNKS_END, end) >= 0
        is_enough = is_enough or len(received) - end > MAX_AWAITED_BODY_BYTES
        return end if is_enough else len(received) + 1
    length = headers[b"content-length"]
    is_plain = length.isdigit() and len(length) <= MAX_LENGTH_DIGITS  # what is not is refused
    body = min(int(length), MAX_AWAITED_BODY_BYTES) if is_plain else 0
    return end + len(HEAD_END) + body


def has_head(received: bytes) -> bool:
    """Return whether the head of a request is among what has arrived."""
    return HEAD_END in received


def wake_at(client: socket.socket, count: int) -> None:
    """Let the socket be readable once it holds so many bytes, or the client has closed it."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def _peek(client: socket.socket, count: int) -> bytes:
    return client.recv(count, socket.MSG_PEEK | socket.MSG_DONTWAIT)
