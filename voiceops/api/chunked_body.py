"""Bodies sent in chunks, without a length.

Django reads as many bytes as `Content-Length` states, which for such a body is none.
"""

from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from typing import Any

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
            source = environ["wsgi.input"]
            while body.tell() <= self.max_bytes and (chunk := source.read(CHUNK_BYTES)):
                body.write(chunk)
            length = body.tell()
            body.seek(0)
            with_length = {**environ, "wsgi.input": body, "CONTENT_LENGTH": str(length)}
            return self.application(with_length, start_response)
