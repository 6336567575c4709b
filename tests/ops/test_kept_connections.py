"""What the web server does with connections, with a real gunicorn on loopback."""

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from tests.ops.processes import becomes_true, free_port, killed_at_end
from tests.telephony.calls import livekit

BODY = b'{"name": "' + b"x" * 200_000 + b'"}'
MAX_DISCARDED_BYTES = 1_000_000
MAX_CONNECTIONS = 120  # of a process
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CLOSING_HEALTH = HEALTH.replace(b"Host", b"Connection: close\r\nHost")


@contextmanager
def running_server(
    folder: Path, processes: int = 1
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server with an empty database, which needs no row for what is asked here."""
    port = free_port()
    environment = {
        **os.environ,
        "DEBUG": "1",
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "voiceops.settings",
        "WEB_CONCURRENCY": str(processes),
        "MAX_DISCARDED_BYTES": str(MAX_DISCARDED_BYTES),
        "MAX_JSON_BYTES": "1000",
        "GUNICORN_CMD_ARGS": f"--worker-connections={MAX_CONNECTIONS}",
    }
    environment.pop("DATABASE_URL", None)
    python = [sys.executable, "-m", "gunicorn", "-c", "python:ops.gunicorn_conf"]
    command = [*python, "--bind", f"127.0.0.1:{port}", "voiceops.wsgi"]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=environment, stdout=output, stderr=output
        )
        with killed_at_end(process):
            assert becomes_true(lambda: answers(port), seconds=60), log.read_text()
            yield port, process
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_server(tmp_path_factory.mktemp("server")) as (number, _):
        yield number


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    # Opened once: a server that closes it makes the next request fail instead of reconnecting.
    connection.connect()
    connection.auto_open = 0
    yield connection
    connection.close()


def send(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, str, str]:
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    detail = json.loads(response.read()).get("detail", "")
    return response.status, detail, response.headers.get("Connection", "")


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("POST", "/agents", 401, "Invalid or missing token"),
        ("POST", "/no-such-path", 404, "Not found"),
        ("POST", "/healthz", 405, "Method not allowed"),
        ("PUT", "/auth/login", 405, "Method not allowed"),
        ("POST", "/auth/password/reset", 413, "Request body too large"),
        ("POST", "/livekit/webhook", 401, "Invalid or missing token"),
        (
            "POST",
            "/calls/01a2271b-ec9f-73fc-a516-977218c8c7f9/report",
            401,
            "Invalid or missing token",
        ),
    ],
)
def test_a_connection_serves_the_request_after_a_refused_body(
    connection: http.client.HTTPConnection, method: str, path: str, status: int, detail: str
) -> None:
    for _ in range(4):
        refused = send(connection, method, path, BODY)
        after = send(connection, "GET", "/healthz")

        assert refused[:2] == (status, detail)
        assert refused[2] != "close"
        assert after[:2] == (200, "")


def test_a_body_beyond_the_bound_closes_its_connection_and_the_answer_says_so(
    connection: http.client.HTTPConnection,
) -> None:
    head = (
        "POST /agents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {100 * MAX_DISCARDED_BYTES}\r\n\r\n"
    )
    assert connection.sock is not None
    connection.sock.sendall(head.encode() + b"x" * (MAX_DISCARDED_BYTES + 200_000))

    answer = connection.sock.recv(65_536).decode()

    assert answer.startswith("HTTP/1.1 401 ")
    assert "connection: close" in answer.lower()


def exchange(port: int, *parts: bytes, until: bytes) -> str:
    """Send the parts on one connection, and return what comes until these bytes do, or its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for part in parts:
            client.sendall(part)
            time.sleep(0.05)
        answer = b""
        while until not in answer and (data := client.recv(65_536)):
            answer += data
    return answer.decode()


def test_head_and_body_of_a_response_arrive_together(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(HEALTH)
        answer = client.recv(65_536).decode()

    assert answer.startswith("HTTP/1.1 200 ")
    assert answer.endswith('{"status": "alive"}')


def test_requests_that_do_not_wait_for_responses_are_answered_in_order(port: int) -> None:
    unknown = HEALTH.replace(b"/healthz", b"/no-such-path")

    answer = exchange(port, HEALTH + unknown + CLOSING_HEALTH, until=b"never")

    statuses = re.findall(r"HTTP/1\.1 (\d+)", answer)
    assert statuses == ["200", "404", "200"]


def test_a_head_that_arrives_in_pieces_is_put_together(port: int) -> None:
    answer = exchange(port, HEALTH[:7], HEALTH[7:30], HEALTH[30:], until=b"alive")

    assert answer.startswith("HTTP/1.1 200 ")


LOGIN = b"POST /auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEALTH[:20],
        HEALTH[:-1],
        HEALTH + HEALTH[:20],
        b"POST /livekit/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        LOGIN + b"Content-Length: 40\r\n\r\n{",
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{}",
    ],
    ids=["nothing", "half a line", "half a head", "more", "a machine's", "half a body", "chunks"],
)
def test_clients_that_send_no_whole_request_hold_no_thread(port: int, sent: bytes) -> None:
    with ExitStack() as held:
        clients = [
            held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(40)  # more than there are threads
        ]
        for client in clients:
            client.sendall(sent)
            if sent.startswith(HEALTH):
                assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")

        assert exchange(port, CLOSING_HEALTH, until=b"never").startswith("HTTP/1.1 200 ")
        # While all of them still wait: none had to be given up for it.
        assert select.select(clients, [], [], 0)[0] == []


def test_clients_that_do_not_close_their_connections_delay_no_others(port: int) -> None:
    with ExitStack() as held:
        for _ in range(20):
            client = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(CLOSING_HEALTH)
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
            assert client.recv(65_536) == b""

        # Each of them is waited for, for two seconds, but not by others.
        assert exchange(port, CLOSING_HEALTH, until=b"never").startswith("HTTP/1.1 200 ")


def test_more_silent_clients_than_there_are_connections_exclude_no_others(
    port: int,
) -> None:
    with ExitStack() as held:
        for _ in range(MAX_CONNECTIONS + 40):
            client = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(HEALTH[:20])

        assert exchange(port, CLOSING_HEALTH, until=b"never").startswith("HTTP/1.1 200 ")


def test_a_request_whose_body_arrives_later_is_answered(port: int) -> None:
    body = b'{"email": "a@example.com", "password": "not the one"}'
    head = LOGIN + b"Content-Type: application/json\r\nConnection: close\r\n"

    answers = [
        exchange(port, head + fields, *parts, until=b"never")
        for fields, *parts in (
            (b"Content-Length: %d\r\n\r\n" % len(body), body[:9], body[9:]),
            (
                b"Transfer-Encoding: chunked\r\n\r\n",
                b"9\r\n" + body[:9] + b"\r\n",
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - 9, body[9:]),
            ),
        )
    ]

    # Without a table of users, and not for the request's sake.
    assert [answer[:12] for answer in answers] == ["HTTP/1.1 503"] * 2


def test_a_head_without_an_end_is_refused(port: int) -> None:
    answer = exchange(port, HEALTH[:-2] + b"X-Long: " + b"x" * 70_000, until=b"never")

    assert answer.startswith("HTTP/1.1 431 ")
    assert answer.endswith('{"detail": "Request headers too large"}')


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (HEALTH.replace(b"/healthz", b"/" + b"x" * 5_000), 414),
        (HEALTH.replace(b"/healthz", b"/" + b"x" * 20_000), 414),
        (HEALTH.replace(b"Host", b"X-Long: " + b"x" * 9_000 + b"\r\nHost"), 431),
        (HEALTH.replace(b"Host", b"X-Many: 1\r\n" * 200 + b"Host"), 431),
        (HEALTH.replace(b"\r\n", b"\n"), 400),
        (HEALTH.replace(b"GET", b"get"), 400),
        (HEALTH.replace(b"Host", b"Transfer-Encoding: br\r\nHost"), 501),
        (HEALTH.replace(b"Host", b"Expect: miracles\r\nHost"), 417),
        (b"POST /agents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
    ],
)
def test_what_the_server_itself_refuses_is_answered_in_json(
    port: int, request_bytes: bytes, status: int
) -> None:
    answer = exchange(port, request_bytes, until=b"never")

    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert "Connection: close" in head
    assert list(json.loads(body)) == ["detail"]


def test_a_chunked_body_is_read_to_its_end(port: int) -> None:
    chunked = (
        b"POST /agents HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n"
    )

    answer = exchange(port, chunked + CLOSING_HEALTH, until=b"never")

    statuses = re.findall(r"HTTP/1\.1 (\d+)", answer)
    assert statuses == ["401", "200"]


def test_a_client_that_asks_first_is_invited_to_send_its_body(port: int) -> None:
    asking = (
        b"POST /agents HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n"
        b"Content-Length: 3\r\n\r\n"
    )

    answer = exchange(port, asking, b"abc", until=b"Invalid")

    assert answer.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 ")


def test_a_head_request_has_no_body_and_keeps_its_connection(port: int) -> None:
    answer = exchange(port, HEALTH.replace(b"GET", b"HEAD") + CLOSING_HEALTH, until=b"never")

    heads, _, body = answer.rpartition("\r\n\r\n")
    assert re.findall(r"HTTP/1\.1 (\d+)", heads) == ["200", "200"]
    assert body == '{"status": "alive"}'


def test_a_server_that_stops_answers_what_is_sent_on_kept_connections(tmp_path: Path) -> None:
    with running_server(tmp_path) as (port, process):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        assert send(connection, "GET", "/healthz")[0] == 200

        process.send_signal(signal.SIGTERM)
        answers = [send(connection, "GET", "/healthz")]
        while answers[-1][2] != "close" and len(answers) < 1_000:  # until the signal has arrived
            time.sleep(0.01)
            answers.append(send(connection, "GET", "/healthz"))

        assert {answer[:2] for answer in answers} == {(200, "")}
        assert answers[-1][2] == "close"
        assert process.wait(timeout=20) == 0
        connection.close()


def test_two_processes_share_the_connections_of_a_client(tmp_path: Path) -> None:
    def connections_of_each() -> list[int]:
        with ExitStack() as held:
            clients = [
                held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                for _ in range(20)
            ]
            for client in clients:  # which are accepted when they have an answer
                client.sendall(HEALTH)
                assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
            return [len(established(pid, port)) for pid in serving_children(process.pid)]

    with running_server(tmp_path, processes=2) as (port, process):
        assert becomes_true(lambda: len(serving_children(process.pid)) == 2, seconds=20)
        # On a busy machine a process may be waited for in vain; always is too often.
        assert becomes_true(lambda: min(connections_of_each()) >= 4, seconds=20)


def serving_children(pid: int) -> list[int]:
    """The children of a process that have begun to serve, with threads."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child) for child in children if len(list(Path(f"/proc/{child}/task").iterdir())) > 1
    ]


def established(pid: int, port: int) -> set[str]:
    """The sockets of a process that are connected to a client on this port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    of_port = {line[9] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "01"}
    return of_port & {
        os.readlink(link).removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{pid}/fd").iterdir()
    }


def test_machines_are_answered_one_after_another_on_their_connections(port: int) -> None:
    body = json.dumps({"event": "room_started", "id": "EV_1", "room": {"name": "vo-1"}}).encode()
    signed, unsigned = livekit.token(body), "nonsense"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        for token, status in ((signed, 200), (signed, 200), (unsigned, 401), (signed, 200)):
            head = (
                f"POST /livekit/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            client.sendall(head.encode() + body)  # at once, as LiveKit and agents do
            response = http.client.HTTPResponse(client)
            response.begin()

            assert (response.status, response.getheader("Connection")) == (status, "keep-alive")
            assert response.getheader("X-Request-ID")
            assert response.read().startswith(b'{"detail"')
