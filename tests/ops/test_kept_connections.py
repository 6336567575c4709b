"""Refused requests and the connection they came on, with a real gunicorn on loopback."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.ops.processes import becomes_true, killed_at_end

BODY = b'{"name": "' + b"x" * 200_000 + b'"}'
MAX_DISCARDED_BYTES = 1_000_000


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server with an empty database, which needs no row for what is refused here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
    environment = {
        **os.environ,
        "DEBUG": "1",
        "DATA_DIR": str(tmp_path_factory.mktemp("server")),
        "DJANGO_SETTINGS_MODULE": "voiceops.settings",
        "WEB_CONCURRENCY": "1",
        "MAX_DISCARDED_BYTES": str(MAX_DISCARDED_BYTES),
        "MAX_JSON_BYTES": "1000",
    }
    environment.pop("DATABASE_URL", None)
    python = [sys.executable, "-m", "gunicorn", "-c", "python:ops.gunicorn_conf"]
    command = [*python, "--bind", f"127.0.0.1:{number}", "voiceops.wsgi"]
    log = Path(environment["DATA_DIR"]) / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=environment, stdout=output, stderr=output
        )
        with killed_at_end(process):
            assert becomes_true(lambda: answers(number), seconds=60), log.read_text()
            yield number
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


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


def test_a_body_that_never_arrives_does_not_hold_its_thread(
    connection: http.client.HTTPConnection,
) -> None:
    head = "POST /agents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    assert connection.sock is not None
    started_at = time.monotonic()
    connection.sock.sendall(head.encode() + b"x")

    answer = connection.sock.recv(65_536).decode()

    assert "connection: close" in answer.lower()
    assert time.monotonic() - started_at < 15
