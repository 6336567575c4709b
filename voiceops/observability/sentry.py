"""Errors told to Sentry, or whatever speaks its envelopes: where in the code, never with what data.

No SDK: it would collect local variables, headers and bodies first and have to be talked out of
each. An event here has the exception, its scrubbed message, files and lines, and the request's id.
https://develop.sentry.dev/sdk/data-model/envelopes/
"""

import json
import logging
import queue
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from uuid import uuid4

from voiceops.observability.structured_logging import current_context, scrub

MOST_WAITING = 100  # events; what comes faster than it can be told is only in the log
SECONDS = 5


def parse_dsn(dsn: str) -> tuple[str, str]:
    """Where to tell, and the key that lets us. Raises ValueError with what a DSN reads like."""
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    if parts.scheme not in ("http", "https") or not (parts.username and parts.hostname and project):
        raise ValueError("it reads https://key@host/project")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{path}/api/{project}/envelope/", parts.username


class SentryHandler(logging.Handler):
    """Takes errors at once and tells them on a thread of its own, which is started by the first of
    them.
    """

    def __init__(self, dsn: str) -> None:
        super().__init__(logging.ERROR)
        self.url, self.key = parse_dsn(dsn)
        self.waiting: queue.Queue[dict[str, Any]] = queue.Queue(MOST_WAITING)
        self.teller: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.waiting.put_nowait(event_of(record))
        except queue.Full:
            return
        if self.teller is None or not self.teller.is_alive():
            self.teller = threading.Thread(target=self.tell, name="sentry", daemon=True)
            self.teller.start()

    def tell(self) -> None:
        while True:
            event = self.waiting.get()
            try:
                self.send(event)
            except (
                URLError,
                OSError,
            ):  # it is in the log; a word about it there would come back here
                continue
            finally:
                self.waiting.task_done()

    def send(self, event: dict[str, Any]) -> None:
        lines = (
            {"event_id": event["event_id"], "sent_at": event["timestamp"]},
            {"type": "event"},
            event,
        )
        auth = f"Sentry sentry_version=7, sentry_client=voiceops/1, sentry_key={self.key}"
        headers = {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": auth}
        body = "\n".join(json.dumps(line) for line in lines).encode()
        with urlopen(Request(self.url, body, headers), timeout=SECONDS):  # noqa: S310 - the operator's own address
            pass


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_id": uuid4().hex,
        "timestamp": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
        "platform": "python",
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": scrub(record.getMessage()),
        "tags": {
            name: value
            for name, value in current_context().items()
            if name in ("request_id", "workspace")
        },
    }
    if record.exc_info and record.exc_info[1] is not None:
        _, error, trace = record.exc_info
        event["exception"] = {"values": [_exception(error, trace)]}
    return event


def _exception(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    frames = [
        {"filename": frame.filename, "function": frame.name, "lineno": frame.lineno}
        for frame in traceback.extract_tb(trace)
    ]
    return {
        "type": type(error).__name__,
        "value": scrub(str(error)),
        "stacktrace": {"frames": frames},
    }
