"""What was stored is answered without gunicorn, byte for byte as gunicorn answers it."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn

from ops.serving.kept_answers import KeptAnswers
from ops.serving.short_answers import ShortAnswers, read_usual_headers, send
from ops.serving.web_worker import WebWorker, send_at_once
from telephony.models import Call
from telephony.views.foreseen import Foreseen
from tests.telephony.calls import livekit
from tests.telephony.calls.test_foresight import report
from voiceops.core.ids import uuid7
from voiceops.wsgi import application

TURN = orjson.dumps({"events": [livekit.reported("turn", role="user", text="Yes?")]})
CHANGING = re.compile(rb"(Date|X-Request-ID): [^\r]+")
PROXIED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "User-Agent": "Go"}


class Line:
    """A worker, a client, and a connection between them."""

    def __init__(self) -> None:
        config = Config()
        self.worker: Any = WebWorker(1, 0, [], None, 30, config, Logger(config))
        kept = KeptAnswers(application)
        self.worker.wsgi = send_at_once(kept)
        self.worker.short_answers = ShortAnswers(kept)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            accepted, address = listener.accept()
        self.client.settimeout(10)
        self.conn = TConn(config, accepted, address, accepted.getsockname())
        self.taken: list[bytes] = []

    def post(self, sent: bytes, *, goes_on: bool = True, shortly: bool = True) -> bytes:
        """Return the answer to a request that was stored."""
        head, _, body = sent.partition(b"\r\n\r\n")
        stored = Foreseen(head.split()[1].decode(), body, None, goes_on)
        self.client.sendall(sent)
        if not shortly or self.worker.answer_stored(self.conn, sent, stored) is None:
            assert self.worker.handle_foreseen(stored, self.conn)
        self.conn.sock.setblocking(False)
        return self.client.recv(10_000)

    def asks_gunicorn(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Return a list in which a connection appears when gunicorn answers on it."""
        found: list[Any] = []
        handle = self.worker.handle

        def remember(conn: Any) -> Any:
            found.append(conn)
            return handle(conn)

        monkeypatch.setattr(self.worker, "handle", remember)
        return found


@pytest.fixture
def line(db: None) -> Iterator[Line]:
    found = Line()
    with found.client, found.conn.sock:
        yield found
    found.worker.tmp.close()


def a_report(**headers: str) -> bytes:
    return report(Call(pk=uuid7()), TURN, headers=headers)


@pytest.mark.parametrize("headers", [{}, PROXIED])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_short_answer_is_what_gunicorn_answers(
    line: Line, monkeypatch: pytest.MonkeyPatch, goes_on: bool, headers: dict[str, str]
) -> None:
    for _ in range(2):  # the first is Django's, the second is known of its sender
        line.post(a_report(**headers), goes_on=goes_on, shortly=False)
    asked = line.asks_gunicorn(monkeypatch)

    short = line.post(a_report(**headers), goes_on=goes_on)
    again = line.post(a_report(**headers), goes_on=goes_on)

    assert asked == []
    usual = line.post(a_report(**headers), goes_on=goes_on, shortly=False)
    assert CHANGING.sub(b"", short) == CHANGING.sub(b"", usual)
    assert short.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-Request-ID: " in short
    assert CHANGING.findall(short) == CHANGING.findall(usual)
    assert short.partition(b"X-Request-ID")[2] != again.partition(b"X-Request-ID")[2]


def test_the_request_id_of_a_client_is_answered(line: Line) -> None:
    for _ in range(3):
        answer = line.post(a_report(**{"X-Request-ID": "of-the-client"}))

    assert b"X-Request-ID: of-the-client\r\n" in answer


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"alive": False}, id="the worker stops"),
        pytest.param({"max_keepalived": 0}, id="too many connections are kept"),
        pytest.param({"max_requests": 1}, id="the worker ends after this request"),
    ],
)
def test_a_connection_that_will_not_be_kept_is_answered_by_gunicorn(
    line: Line, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    for _ in range(2):
        line.post(a_report())
    for name, value in change.items():
        setattr(line.worker, name, value)
    asked = line.asks_gunicorn(monkeypatch)
    sent = a_report()
    line.client.sendall(sent)
    stored = Foreseen(sent.split()[1].decode(), TURN, None, goes_on=True)

    assert line.worker.answer_stored(line.conn, sent, stored) is None
    assert asked == []
    assert line.worker.handle_foreseen(stored, line.conn) is False
    assert b"\r\nConnection: close\r\n" in line.client.recv(10_000)


@pytest.mark.parametrize(
    "changed",
    [
        (b"Host:", b"Origin: https://elsewhere.example\r\nHost:"),
        (b"Host:", b"Connection: close\r\nHost:"),
        (b"Host:", b"Accept: */*\r\naccept: */*\r\nHost:"),
        (b"Host:", b"Accept: a\r\n b\r\nHost:"),
        (b"Host:", b"Accept : a\r\nHost:"),
        (b"Host:", b"X_Forwarded_For: 192.0.2.7\r\nHost:"),
        (b"Host:", b"Accept: \xff\r\nHost:"),
        (b"Host:", b"Accept: a\nb\r\nHost:"),
        (b"Host:", b"Accept:\r\nHost:"),
        (b"Host:", b"Accept: " + b"a" * 4_000 + b"\r\nHost:"),
    ],
)
def test_an_unusual_request_is_left_to_gunicorn(changed: tuple[bytes, bytes]) -> None:
    usual = a_report()

    assert read_usual_headers(usual) is not None
    assert read_usual_headers(usual.replace(*changed, 1)) is None


def test_another_sender_and_another_host_are_answered_by_django_first(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        line.post(a_report())
    asked = line.asks_gunicorn(monkeypatch)

    line.post(a_report(Host="testserver"))
    line.conn.client = ("192.0.2.9", 4000)
    line.post(a_report())

    assert len(asked) == 2


def test_a_bug_closes_the_connection_and_not_the_thread(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    for _ in range(2):
        line.post(a_report())
    asked = line.asks_gunicorn(monkeypatch)
    monkeypatch.setattr(KeptAnswers, "find", fail)
    sent = a_report()
    line.client.sendall(sent)
    stored = Foreseen(sent.split()[1].decode(), TURN, None, goes_on=True)

    assert line.worker.answer_stored(line.conn, sent, stored) is False
    assert asked == []


def test_a_client_that_does_not_read_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with suppress(BlockingIOError):
            while True:
                ours.send(b"x" * 1000, socket.MSG_DONTWAIT)

        with pytest.raises(BlockingIOError):
            send(ours, b"x" * 1000)
