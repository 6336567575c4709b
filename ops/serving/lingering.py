"""Connections that are being closed, while their clients still read or send.

One that is closed at once with something unread is reset, and its client may lose the response. So
gunicorn waits until the client has closed its side, for two seconds, and does so in the thread that
accepts and watches all others: a client that does not close keeps everybody waiting.
"""

import socket
import time
from collections.abc import Callable
from functools import partial
from selectors import EVENT_READ, BaseSelector

CLOSING_SECONDS = 2.0
MAX_LINGERING = 200  # of more, the oldest are closed at once
MAX_DROPPED_BYTES = 65_536  # of what a client still sends


class LingeringSockets:
    """The half-closed sockets of a process, each until when, in one thread with its poller."""

    def __init__(self, poller: BaseSelector) -> None:
        self._poller = poller
        self._until: dict[socket.socket, float] = {}

    def close(self, client: socket.socket) -> None:
        """Send no more, and close once the client has, or after a while."""
        try:
            client.shutdown(socket.SHUT_WR)
            client.setblocking(False)
            self._poller.register(client, EVENT_READ, partial(self._drop, MAX_DROPPED_BYTES))
        except (OSError, ValueError, KeyError):  # the client has gone
            client.close()
            return
        self._until[client] = time.monotonic() + CLOSING_SECONDS
        if len(self._until) > MAX_LINGERING:
            self._end(next(iter(self._until)))

    def close_expired(self) -> None:
        """Close those whose clients have been waited for long enough."""
        now = time.monotonic()
        for client in [client for client, until in self._until.items() if until <= now]:
            self._end(client)

    def _drop(self, left: int, client: socket.socket) -> None:
        """Drop what the client still sends, and wait for more of it, or for its end."""
        try:
            dropped = len(client.recv(left))
        except BlockingIOError:
            return
        except OSError:
            dropped = 0
        if dropped in (0, left):
            self._end(client)
            return
        drop: Callable[[socket.socket], None] = partial(self._drop, left - dropped)
        self._poller.modify(client, EVENT_READ, drop)

    def _end(self, client: socket.socket) -> None:
        del self._until[client]
        self._poller.unregister(client)
        client.close()
