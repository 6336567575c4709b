"""Parsers of bodies that carry a list: read to their end, but kept no further than the limit."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import StopUpload, TemporaryFileUploadHandler
from rest_framework.parsers import MultiPartParser

from voiceops.api.json_rows import RowLimits, parse_long_object
from voiceops.api.parsers import MAX_DISCARDED_UPLOADS, JSONParser, parse_json


class CappedUpload(TemporaryFileUploadHandler):
    """Keeps one byte more than the limit, which shows that the file is too large.

    Raises StopUpload for a body that goes on far beyond the limit.
    """

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        limit = settings.MAX_UPLOAD_BYTES
        # Reading on lets the client get its answer instead of a broken connection, within limits.
        if start > MAX_DISCARDED_UPLOADS * limit:
            raise StopUpload(connection_reset=True)
        if start <= limit:
            super().receive_data_chunk(raw_data[: limit + 1 - start], start)


class FormWithFile(MultiPartParser):
    """A multipart body whose file goes to disk."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {})["request"]
        request.upload_handlers = [CappedUpload(request)]
        return super().parse(stream, media_type, parser_context)


class LongJSON(JSONParser):
    """JSON up to the size of an upload, whose weight is in `recipients`."""

    def max_bytes(self) -> int:
        return int(settings.MAX_UPLOAD_BYTES)

    def parse_body(self, body: bytes) -> Any:
        """Parse a body; of a long one, `recipients` become JsonRows. Raises ParseError."""
        if len(body) <= settings.MAX_JSON_BYTES:
            return super().parse_body(body)
        # Twice, so that a body just above the limit is refused by its schema, as a shorter one.
        limits = RowLimits(rows=settings.MAX_UPLOAD_ROWS, bytes=2 * settings.MAX_JSON_BYTES)
        return parse_long_object(body, rows_name="recipients", parse=parse_json, limits=limits)
