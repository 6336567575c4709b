"""What gunicorn refuses before Django sees it, with a real worker and real sockets."""

import json
import logging
import socket

import pytest
from gunicorn.http import errors

from ops.serving.web_worker import WebWorker


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (errors.LimitRequestLine(5000, 4094), "414 Request-URI Too Long", "URI too long"),
        (
            errors.LimitRequestHeaders("limit request headers"),
            "431 Request Header Fields Too Large",
            None,
        ),
        (errors.InvalidHeader("X-API-Key: vo_secret"), "400 Bad Request", "Bad request"),
        (
            errors.InvalidResponseHeader("X-Bad"),
            "500 Internal Server Error",
            "Internal server error",
        ),
        (RuntimeError("a bug"), "500 Internal Server Error", "Internal server error"),
    ],
)
def test_a_malformed_request_is_refused_in_json(
    error: Exception, status: str, detail: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    worker = WebWorker.__new__(WebWorker)
    worker.log = logging.getLogger("tests.web_worker")
    ours, theirs = socket.socketpair()

    with ours, theirs:
        worker.handle_error(None, ours, ("127.0.0.1", 1), error)
        head, _, body = theirs.recv(4096).decode().partition("\r\n\r\n")

    assert head.splitlines()[0] == f"HTTP/1.1 {status}"
    assert {
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    } <= set(head.splitlines())
    assert json.loads(body) == {"detail": detail or "Request headers too large"}
    assert "vo_secret" not in caplog.text


def test_a_client_that_has_disconnected_is_not_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = WebWorker.__new__(WebWorker)
    worker.log = logging.getLogger("tests.web_worker")
    caplog.set_level(logging.DEBUG)
    ours, theirs = socket.socketpair()
    theirs.close()

    with ours:
        worker.handle_error(None, ours, ("127.0.0.1", 1), errors.LimitRequestLine(5000, 4094))

    assert caplog.messages == [
        "Refused a malformed HTTP request (LimitRequestLine)",
        "The client had disconnected before the response was sent",
    ]
