"""Gunicorn's threaded worker. It refuses malformed requests in the API's own form, because they
never reach Django.
"""

import json
import socket
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

REFUSAL_OF_ERROR = {
    errors.LimitRequestLine: (414, "URI too long"),
    errors.LimitRequestHeaders: (431, "Request headers too large"),
    errors.ExpectationFailed: (417, "Expectation failed"),
    errors.UnsupportedTransferCoding: (501, "Unsupported transfer coding"),
    errors.InvalidResponseHeader: (500, "Internal server error"),
    errors.InvalidResponseHeaderName: (500, "Internal server error"),
    errors.ParseException: (400, "Bad request"),
}
DEFAULT_REFUSAL = (500, "Internal server error")


class WebWorker(ThreadWorker):  # type: ignore[misc]  # the library is not typed
    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Respond and close. The request is not logged, because it may contain a credential."""
        refusals = (refusal for kind, refusal in REFUSAL_OF_ERROR.items() if isinstance(exc, kind))
        status, detail = next(refusals, DEFAULT_REFUSAL)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request could not be handled", exc_info=exc)
        else:
            self.log.warning("Refused a malformed HTTP request (%s)", type(exc).__name__)
        try:
            util.write_nonblock(client, _response(status, detail))
        except OSError:
            self.log.debug("The client had disconnected before the response was sent")


def _response(status: int, detail: str) -> bytes:
    body = json.dumps({"detail": detail})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Connection: close\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return f"{head}\r\n{body}".encode()
