"""Links to recordings in local storage, which work for five minutes, as links to S3 do."""

import re
from collections.abc import Iterator
from typing import IO

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from telephony.clients.recording_storage import LinkExpired
from telephony.services.recording_files import open_linked_recording
from voiceops.api.errors import json_error, method_not_allowed
from voiceops.core.errors import NotFound

RANGE_HEADER = re.compile(r"bytes=(\d*)-(\d*)")
DOWNLOAD_CHUNK_BYTES = 64 * 1024


# Exempt, so that a POST is answered with 405 and not with a missing CSRF token.
@csrf_exempt
def recording_file(request: HttpRequest, token: str) -> HttpResponse | StreamingHttpResponse:
    """Send the recording that the link's token names, or the part that `Range` asks for."""
    if request.method not in ("GET", "HEAD"):
        return method_not_allowed("GET", "HEAD")
    try:
        name, file, size = open_linked_recording(token)
    except LinkExpired:
        return json_error(403, "Link expired")
    except NotFound as error:
        return json_error(404, str(error))
    part = requested_range(request.headers.get("Range", ""), size)
    if part is None:
        file.close()
        refused = json_error(416, "Requested range not satisfiable")
        refused["Content-Range"] = f"bytes */{size}"
        return refused
    return stream_file(file, name, size, part)


def stream_file(file: IO[bytes], name: str, size: int, part: range) -> StreamingHttpResponse:
    """Return a response with all of the file, or with the requested part of it."""
    is_whole = len(part) == size
    if is_whole:
        response: StreamingHttpResponse = FileResponse(file, content_type="audio/ogg")
    else:
        response = StreamingHttpResponse(
            read_range(file, part), status=206, content_type="audio/ogg"
        )
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    response["Content-Length"] = str(len(part))
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Accept-Ranges"] = "bytes"
    # The link is the credential, so no shared cache may keep what it opens.
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def requested_range(header: str, size: int) -> range | None:
    """Return the requested bytes: all without a range we know, None when none are in the file."""
    found = RANGE_HEADER.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return range(size)
    # `bytes=-500`: the last 500 bytes.
    if found[1] == "":
        return range(max(0, size - int(found[2])), size) if int(found[2]) else None
    start, stop = int(found[1]), min(int(found[2] or size), size - 1) + 1
    return range(start, stop) if start < min(stop, size) else None


def read_range(file: IO[bytes], part: range) -> Iterator[bytes]:
    """Yield a part of the file in chunks, and close the file."""
    with file:
        file.seek(part.start)
        left = len(part)
        while left and (piece := file.read(min(DOWNLOAD_CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece
