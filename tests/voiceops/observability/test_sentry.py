"""Against a server on loopback that takes whatever is posted."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from voiceops.observability.sentry import MOST_WAITING, SentryHandler
from voiceops.observability.structured_logging import log_context

SECRET = "+12025550186"


class Desk(HTTPServer):
    got: list[tuple[str, str, list[dict[str, Any]]]]


@pytest.fixture
def desk() -> Iterator[Desk]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.got.append(
                (
                    self.path,
                    self.headers["X-Sentry-Auth"],
                    [json.loads(x) for x in body.splitlines()],
                )
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Tests need no access log."""

    server = Desk(("127.0.0.1", 0), Handler)
    server.got = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def failed(number: str) -> logging.LogRecord:
    try:
        int(number.replace("+", "number +"))
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    return logging.LogRecord(
        "voiceops.api", logging.ERROR, __file__, 1, "call of %s failed", (number,), info
    )


def test_an_error_is_told_with_its_place_and_without_its_data(desk: Desk) -> None:
    handler = SentryHandler(f"http://public@127.0.0.1:{desk.server_port}/base/7")

    with log_context(request_id="r1", workspace="w1", ip="192.0.2.1"):
        handler.handle(failed(SECRET))
    handler.waiting.join()

    [(path, auth, [head, kind, event])] = desk.got
    [exception] = event["exception"]["values"]
    assert (path, kind, head["event_id"]) == (
        "/base/api/7/envelope/",
        {"type": "event"},
        event["event_id"],
    )
    assert "sentry_key=public" in auth
    assert event["tags"] == {"request_id": "r1", "workspace": "w1"}
    assert (exception["type"], exception["stacktrace"]["frames"][-1]["function"]) == (
        "ValueError",
        "failed",
    )
    assert SECRET not in json.dumps(event)


def test_a_desk_that_is_away_costs_nothing() -> None:
    handler = SentryHandler("http://public@127.0.0.1:1/7")

    for _ in range(MOST_WAITING + 5):
        handler.handle(failed(SECRET))

    handler.waiting.join()


@pytest.mark.parametrize(
    "dsn", ["https://host/7", "https://key@host", "key@host/7", "ftp://key@host/7"]
)
def test_an_address_that_is_none_is_refused(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"^it reads https://key@host/project$"):
        SentryHandler(dsn)
