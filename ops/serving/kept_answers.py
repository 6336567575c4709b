"""The answers to requests of machines that were stored before their turn.

They differ in nothing but the request's id. So Django answers the first of each kind, and what it
answered is kept for the others.
"""

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from telephony.views.foreseen import Foreseen, current_foreseen
from voiceops.api.request_context import choose_request_id, log_answer, trust_forwarded_headers
from voiceops.observability.structured_logging import log_context

# Headers that change nothing in the answer, or nothing beyond what an answer is kept for.
USUAL_HEADERS = {
    *("HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_USER_AGENT", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING"),
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REQUEST_ID", "HTTP_CONNECTION"),
}
DECISIVE_NAMES = ("HTTP_HOST", "HTTP_X_FORWARDED_PROTO", "wsgi.url_scheme", "SERVER_PROTOCOL")
MAX_KEPT_ANSWERS = 64
MAX_KNOWN_SENDERS = 1_000
REQUEST_ID = "X-Request-ID"
OK = "200 OK"

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Kept = tuple[list[tuple[str, str]], "Body"]


class Body:
    """The body of an answer, as `web_worker.send_at_once` takes it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self.content

    def close(self) -> None:
        """Do nothing: it is kept."""


class KeptAnswers:
    """Wraps the application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._kept: dict[tuple[Any, ...], Kept] = {}
        # The same, by what is known of a request that gunicorn has not read.
        self._of_senders: dict[tuple[Any, ...], Kept] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        started_at = time.monotonic()
        foreseen = current_foreseen()
        if foreseen is None or not is_usual(environ):
            return self._application(environ, start_response)
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        if (environ["PATH_INFO"], body) != (foreseen.path, foreseen.body):
            return self._application(environ, start_response)
        sender = (
            foreseen.goes_on,
            environ.get("REMOTE_ADDR", ""),
            environ.get("HTTP_HOST"),
            environ.get("HTTP_X_FORWARDED_PROTO"),
        )
        trust_forwarded_headers(environ)
        key = (foreseen.goes_on, *(environ.get(name) for name in DECISIVE_NAMES))
        kept = self._kept.get(key)
        if kept is None:
            return self._answer_first(key, environ, start_response)
        if len(self._of_senders) < MAX_KNOWN_SENDERS and environ["SERVER_PROTOCOL"] == "HTTP/1.1":
            self._of_senders[sender] = kept
        headers, content = kept
        start_response(OK, [*headers, _log_and_name(environ, foreseen.path, started_at)])
        return content

    def find(
        self, foreseen: Foreseen, address: str, headers: Mapping[str, str]
    ) -> tuple[list[tuple[str, str]], bytes] | None:
        """Return headers and body of the answer to a request that gunicorn has not read, and log
        it; None when such a request was not answered from what is kept before.

        `headers` are all of the request, which has no other than usual ones.
        """
        started_at = time.monotonic()
        proto = headers.get("x-forwarded-proto")
        kept = self._of_senders.get((foreseen.goes_on, address, headers.get("host"), proto))
        if kept is None:
            return None
        environ = {"REMOTE_ADDR": address, "HTTP_X_REQUEST_ID": headers.get("x-request-id", "")}
        environ["HTTP_X_FORWARDED_FOR"] = headers.get("x-forwarded-for", "")
        trust_forwarded_headers(environ)
        fields, content = kept
        return [*fields, _log_and_name(environ, foreseen.path, started_at)], content.content

    def _answer_first(
        self, key: tuple[Any, ...], environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        """Let the application answer, and keep what it answers."""
        answers = []

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            answers.append((status, headers))
            return start_response(status, headers, *error)

        response = self._application(environ, start)
        status, headers = answers[0]
        content = getattr(response, "content", None)  # a streamed one has none
        if status == OK and content is not None and len(self._kept) < MAX_KEPT_ANSWERS:
            kept = [each for each in headers if each[0] != REQUEST_ID]
            self._kept[key] = (kept, Body(content))
        return response


def _log_and_name(environ: Mapping[str, Any], path: str, started_at: float) -> tuple[str, str]:
    """Log an answer from what is kept; return the header with its request id."""
    request_id = choose_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
    with log_context(request_id=request_id):
        seconds = time.monotonic() - started_at
        log_answer("POST", path, OK[:3], environ.get("REMOTE_ADDR", ""), seconds)
    return REQUEST_ID, request_id


def is_usual(environ: Mapping[str, Any]) -> bool:
    """Whether a request has no header that could change its answer."""
    return all(not name.startswith("HTTP_") or name in USUAL_HEADERS for name in environ)
