"""Against a server on loopback that stores whatever is posted."""

import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import sentry_sdk

from voiceops.core.env import validate_sentry_dsn
from voiceops.observability.sentry import MAX_QUEUED_EVENTS, SentryHandler
from voiceops.observability.structured_logging import log_context

NUMBER = "+12025550186"
FLUSH_SECONDS = 5
LONGEST_SECONDS = 10.0  # the SDK waits for an answer for half a minute


class Sink(HTTPServer):
    received: list[tuple[str, str, list[dict[str, Any]]]]


@pytest.fixture
def sink() -> Iterator[Sink]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            envelope = [json.loads(line) for line in body.decode().splitlines()]
            server.received.append((self.path, self.headers["X-Sentry-Auth"], envelope))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Tests need no access log."""

    server = Sink(("127.0.0.1", 0), Handler)
    server.received = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def sdk_is_shut_down() -> Iterator[None]:
    yield
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.get_global_scope().set_client(None)


def failed(number: str) -> logging.LogRecord:
    try:
        int(number.replace("+", "number +"))
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord(
        "voiceops.api", logging.ERROR, __file__, 1, "call of %s failed", (number,), info
    )
    record.facts = {"to": number}
    return record


def test_an_error_is_reported_with_its_place_and_without_its_data(sink: Sink) -> None:
    handler = SentryHandler(f"http://public@127.0.0.1:{sink.server_port}/base/7")

    with log_context(request_id="r1", workspace="w1", ip="192.0.2.1"):
        handler.handle(failed(NUMBER))
    sentry_sdk.flush(FLUSH_SECONDS)

    [(path, auth, [head, item, event])] = sink.received
    [exception] = event["exception"]["values"]
    assert (path, item["type"], head["event_id"]) == (
        "/base/api/7/envelope/",
        "event",
        event["event_id"],
    )
    assert "sentry_key=public" in auth
    assert (event["level"], event["logger"]) == ("error", "voiceops.api")
    assert event["message"] == "call of +1202•••••86 failed"
    assert event["tags"] == {"request_id": "r1", "workspace": "w1"}
    assert (exception["type"], exception["stacktrace"]["frames"][-1]["function"]) == (
        "ValueError",
        "failed",
    )
    assert NUMBER not in json.dumps(event)


def test_an_event_has_no_fields_but_the_named_ones(sink: Sink) -> None:
    handler = SentryHandler(f"http://public@127.0.0.1:{sink.server_port}/7")

    handler.handle(failed(NUMBER))
    sentry_sdk.flush(FLUSH_SECONDS)

    [(_, _, [_, _, event])] = sink.received
    [exception] = event["exception"]["values"]
    assert set(event) == {
        "event_id",
        "exception",
        "level",
        "logger",
        "message",
        "platform",
        "sdk",
        "tags",
        "timestamp",
    }
    assert set(exception) == {"type", "value", "stacktrace"}
    assert set(exception["stacktrace"]["frames"][-1]) == {"filename", "function", "lineno"}


def test_a_warning_is_not_reported(sink: Sink) -> None:
    handler = SentryHandler(f"http://public@127.0.0.1:{sink.server_port}/7")
    logger = logging.Logger("voiceops.test")
    logger.addHandler(handler)

    logger.warning("Nothing to report")
    logger.error("Something failed")
    sentry_sdk.flush(FLUSH_SECONDS)

    assert [envelope[2]["message"] for _, _, envelope in sink.received] == ["Something failed"]


def test_a_server_that_never_answers_delays_no_log_entry() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        handler = SentryHandler(f"http://public@127.0.0.1:{silent.getsockname()[1]}/7")
        began = time.monotonic()

        for _ in range(MAX_QUEUED_EVENTS + 5):
            handler.handle(failed(NUMBER))

        assert time.monotonic() - began < LONGEST_SECONDS


@pytest.mark.parametrize(
    "dsn", ["https://host/7", "https://key@host", "key@host/7", "ftp://key@host/7"]
)
def test_a_malformed_dsn_is_refused(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"^it must read https://key@host/project$"):
        validate_sentry_dsn(dsn)
