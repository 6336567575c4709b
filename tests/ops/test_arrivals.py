"""Requests that have not arrived yet, and connections that are not closed yet, hold no thread."""

import logging
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from ops.serving import lingering, web_worker
from ops.serving.arrivals import MAX_AWAITED_BODY_BYTES, MAX_AWAITED_BYTES, awaited_bytes
from ops.serving.fair_threads import FairThreads
from ops.serving.lingering import LingeringSockets
from ops.serving.web_worker import WebWorker

LINE = b"POST /x HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("received", "missing"),
    [
        (b"", 1),
        (LINE, 1),
        (LINE + b"Host: x\r\n\r", 1),
        (LINE + b"\r\n", 0),
        (b"\r\n" + LINE + b"\r\n", 0),
        (b"\r\n\r\n", 1),
        (LINE + b"Host: x\n\n", 0),  # malformed: refused at once
        (LINE + b"Content-Length: 3\r\n\r\n", 3),
        (LINE + b"content-length:3\r\n\r\nab", 1),
        (LINE + b"Content-Length: 3\r\n\r\nabc", 0),
        (LINE + b"Content-Length: 3\r\n\r\nabc" + LINE, 0),
        (LINE + b"Content-Length: 99999999\r\n\r\n", MAX_AWAITED_BODY_BYTES),
        (LINE + b"Content-Length: many\r\n\r\n", 0),
        (LINE + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 0),
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 1),
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0),
        (LINE + b"Transfer-Encoding: chunked\r\n\r\n" + b"x" * MAX_AWAITED_BODY_BYTES, 0),
        (LINE + b"Transfer-Encoding: br\r\n\r\n", 0),
        (LINE + b"x" * MAX_AWAITED_BYTES, 0),
    ],
)
def test_what_a_request_lacks_is_known_from_its_head(received: bytes, missing: int) -> None:
    assert awaited_bytes(received) - len(received) == missing


@pytest.fixture
def worker() -> WebWorker:
    """A worker that watches connections, without a process of its own."""
    worker = WebWorker.__new__(WebWorker)
    worker.poller, worker.pending_conns, worker.nr_conns = selectors.DefaultSelector(), deque(), 1
    worker.cfg = SimpleNamespace(is_ssl=False, keepalive=75)
    worker.log = logging.getLogger("tests.arrivals")
    worker.tpool, worker.method_queue = FairThreads(1), SimpleNamespace(defer=lambda *_: None)
    worker.lingering = LingeringSockets(worker.poller)
    return worker


def accepted(client: socket.socket) -> Any:
    return SimpleNamespace(sock=client, client=("203.0.113.9", 1), initialized=False, parser=None)


def close_all(pairs: Sequence[tuple[socket.socket, socket.socket]]) -> None:
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_a_request_that_stays_away_is_answered_so(
    worker: WebWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_worker, "ARRIVAL_SECONDS", 0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(LINE)
        worker.enqueue_req(accepted(ours))
        waiting = len(worker.pending_conns)
        worker.murder_pending()
        answer = theirs.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")
    assert answer.endswith(b'\r\n\r\n{"detail": "Request timed out"}')
    assert (waiting, len(worker.pending_conns), worker.nr_conns) == (1, 0, 0)


def test_a_client_that_closes_in_the_midst_of_a_request_is_not_waited_for(
    worker: WebWorker,
) -> None:
    handled: list[Any] = []
    worker.handle = handled.append
    ours, theirs = socket.socketpair()
    connection = accepted(ours)
    with ours, theirs:
        theirs.sendall(LINE)
        worker.enqueue_req(connection)
        theirs.shutdown(socket.SHUT_WR)
        ((key, _),) = worker.poller.select(timeout=10)
        key.data(key.fileobj)
        worker.tpool.shutdown()

    assert (handled, len(worker.pending_conns)) == ([connection], 0)


def test_clients_that_do_not_close_are_dropped_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with selectors.DefaultSelector() as poller:
        sockets = LingeringSockets(poller)
        pairs = [socket.socketpair() for _ in range(2)]
        for (ours, _), seconds in zip(pairs, (0, 60), strict=True):
            monkeypatch.setattr(lingering, "CLOSING_SECONDS", seconds)
            sockets.close(ours)
        sockets.close_expired()
        still_open = [ours.fileno() >= 0 for ours, _ in pairs]
        close_all(pairs)

    assert still_open == [False, True]


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "goes on sending"])
def test_a_connection_is_closed_once_its_client_has_or_sends_too_much(
    closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "MAX_DROPPED_BYTES", 6)
    with selectors.DefaultSelector() as poller:
        sockets = LingeringSockets(poller)
        ours, theirs = socket.socketpair()
        with theirs:
            sockets.close(ours)
            theirs.sendall(b"abc")
            ((key, _),) = poller.select(timeout=10)
            key.data(key.fileobj)
            kept = ours.fileno() >= 0
            if closes:
                theirs.close()
            else:
                theirs.sendall(b"def")
            ((key, _),) = poller.select(timeout=10)
            key.data(key.fileobj)

    assert (kept, ours.fileno()) == (True, -1)


def test_of_many_that_do_not_close_the_oldest_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "MAX_LINGERING", 1)
    with selectors.DefaultSelector() as poller:
        sockets = LingeringSockets(poller)
        pairs = [socket.socketpair() for _ in range(2)]
        for ours, _ in pairs:
            sockets.close(ours)
        still_open = [ours.fileno() >= 0 for ours, _ in pairs]
        close_all(pairs)

    assert still_open == [False, True]
