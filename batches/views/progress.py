"""Progress as server-sent events over plain WSGI.

Each stream occupies a thread of the web server, so their number and their duration are limited.
"""

import time
from collections.abc import Callable, Generator, Mapping
from typing import Any
from uuid import UUID

import orjson
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request

from batches.models import Batch, Recipient
from batches.reporting.progress import progress_of
from voiceops.core.fair_places import FairPlaces

EVENT_INTERVAL_SECONDS = 1.0
# A long list is counted less often, so that counting takes a sixth of a thread's time at most.
COUNTING_FACTOR = 5
# After that the stream ends, and the browser opens the next one by itself.
MAX_STREAM_SECONDS = 600.0
# Per process, and of one workspace. Further clients get one event, and reconnect.
MAX_STREAMS = 3
MAX_STREAMS_PER_WORKSPACE = 2
# In the first event's block: clients were seen to stumble over a block without data.
RETRY_LINE = b"retry: 2000\n"
stream_places = FairPlaces()


def wants_events(request: Request) -> bool:
    """Whether the client accepts server-sent events."""
    return "text/event-stream" in request.headers.get("Accept", "")


def stream_progress(batch: Batch, *, has_access: Callable[[], bool]) -> StreamingHttpResponse:
    """Return a stream of the batch's progress, until it is over or `has_access` is false."""
    response = StreamingHttpResponse(
        progress_events(batch, has_access=has_access),
        content_type="text/event-stream; charset=utf-8",
    )
    response.headers["Cache-Control"] = "no-store"
    # Proxies in front should pass on every event at once.
    response.headers["X-Accel-Buffering"] = "no"
    return response


def progress_events(
    batch: Batch, *, has_access: Callable[[], bool] = lambda: True
) -> Generator[bytes]:
    """Yield an event with the progress at once, then one a second until the batch has ended.

    So the last event has the final counts: calls go on when a batch is stopped.
    """
    release = stream_places.try_reserve(
        str(batch.workspace_id), total=MAX_STREAMS, each=MAX_STREAMS_PER_WORKSPACE
    )
    try:
        yield from _follow(batch.pk, has_access, seconds=MAX_STREAM_SECONDS if release else 0.0)
    finally:
        if release is not None:
            release()


def _follow(batch_id: UUID, has_access: Callable[[], bool], *, seconds: float) -> Generator[bytes]:
    """Yield progress for that many seconds, at least once."""
    started_at = time.monotonic()
    first_line = RETRY_LINE
    while True:
        began_at = time.monotonic()
        batch = Batch.unscoped.select_related("phone_number").filter(pk=batch_id).first()
        if batch is None:
            return
        progress = progress_of(batch, now=timezone.now())
        yield first_line + _event(progress)
        first_line = b""

        now = time.monotonic()
        if _is_over(progress) or now - started_at >= seconds:
            return
        time.sleep(max(EVENT_INTERVAL_SECONDS, COUNTING_FACTOR * (now - began_at)))
        # Whoever lost the key or the seat meanwhile gets no further event.
        if not has_access():
            return


def _is_over(progress: Mapping[str, Any]) -> bool:
    """Whether nothing changes any more: the batch has ended, and so have its calls."""
    counts = progress["counts"]
    is_calling = any(counts[status] for status in Recipient.Status.calling())
    return progress["status"] in Batch.Status.final() and not is_calling


def _event(progress: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(progress, option=orjson.OPT_UTC_Z) + b"\n\n"
