"""Bodies sent in chunks, without a length. Django reads as far as `Content-Length` says, and so
nothing of them.
"""

from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from typing import Any

MEMORY_BODY_BYTES = 1024 * 1024  # bytes; longer bodies wait on disk
CHUNK_BYTES = 65_536

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class ChunkedBodyMiddleware:
    """WSGI around `application`: a chunked body is read first, up to `longest` bytes and one, and
    then has a length.
    """

    def __init__(self, application: Application, *, max_bytes: int) -> None:
        self.application = application
        self.max_bytes = max_bytes

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" not in environ or not environ.get("wsgi.input_terminated"):
            return self.application(environ, start_response)
        with SpooledTemporaryFile(max_size=MEMORY_BODY_BYTES) as body:
            while body.tell() <= self.max_bytes and (
                piece := environ["wsgi.input"].read(CHUNK_BYTES)
            ):
                body.write(piece)
            length = body.tell()
            body.seek(0)
            whole = {**environ, "wsgi.input": body, "CONTENT_LENGTH": str(length)}
            return self.application(whole, start_response)
