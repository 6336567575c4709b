"""Gunicorn's threads, refusing in the API's own form what is too broken for Django ever to see it."""

import json
import socket
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

REFUSALS = {
    errors.LimitRequestLine: (414, "URI too long"),
    errors.LimitRequestHeaders: (431, "Request headers too large"),
    errors.ExpectationFailed: (417, "Expectation failed"),
    errors.UnsupportedTransferCoding: (501, "Unsupported transfer coding"),
    errors.InvalidResponseHeader: (500, "Internal server error"),
    errors.InvalidResponseHeaderName: (500, "Internal server error"),
    errors.ParseException: (400, "Bad request"),
}


class WebWorker(ThreadWorker):  # type: ignore[misc]  # the library is not typed
    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer and close. What was sent is not logged: it may carry a credential."""
        default = (500, "Internal server error")
        status, sentence = next(
            (refusal for kind, refusal in REFUSALS.items() if isinstance(exc, kind)), default
        )
        if status == 500:
            self.log.error("A request could not be handled", exc_info=exc)
        else:
            self.log.warning("Refused a request that is no HTTP (%s)", type(exc).__name__)
        try:
            util.write_nonblock(client, _response(status, sentence))
        except OSError:
            self.log.debug("The client was gone before it could be told")


def _response(status: int, sentence: str) -> bytes:
    body = json.dumps({"detail": sentence})
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
