"""Bodies sent in chunks, without a length.

Django reads as many bytes as `Content-Length` states, which for such a body is none.
"""

import json
from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from typing import Any

from voiceops.core.disk_space import DISK_FULL, is_disk_full
from voiceops.core.errors import NoSpace

MEMORY_BODY_BYTES = 1024 * 1024  # longer bodies are spooled to disk
CHUNK_BYTES = 65_536

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class ChunkedBodyMiddleware:
    """Wraps a WSGI application: reads a chunked body first and passes it on with its length.

    Reading stops once the body is longer than `max_bytes`; the application then refuses it.
    """

    def __init__(self, application: Application, *, max_bytes: int) -> None:
        self.application = application
        self.max_bytes = max_bytes

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # `wsgi.input_terminated`: reading past the end of the body returns nothing, not an error.
        if "HTTP_TRANSFER_ENCODING" not in environ or not environ.get("wsgi.input_terminated"):
            return self.application(environ, start_response)
        with SpooledTemporaryFile(max_size=MEMORY_BODY_BYTES) as body:
            try:
                self._copy_body(environ["wsgi.input"], body)
            except OSError as error:
                if not is_disk_full(error):
                    raise
                return _refuse_full_disk(start_response)
            length = body.tell()
            body.seek(0)
            with_length = {**environ, "wsgi.input": body, "CONTENT_LENGTH": str(length)}
            return self.application(with_length, start_response)

    def _copy_body(self, source: Any, body: Any) -> None:
        """Raises OSError on a full disk."""
        while body.tell() <= self.max_bytes and (chunk := source.read(CHUNK_BYTES)):
            body.write(chunk)


def _refuse_full_disk(start_response: Any) -> list[bytes]:
    """Answer as `voiceops.api.errors` does. Django has not seen the request, so it cannot."""
    answer = json.dumps({"detail": DISK_FULL}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(answer))),
        ("Retry-After", str(NoSpace.wait)),
    ]
    start_response("503 Service Unavailable", headers)
    return [answer]
