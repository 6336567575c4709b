"""Progress as server-sent events over plain WSGI: one thread a watcher, so their number and time
are bounded.
"""

import threading
import time
from collections.abc import Callable, Generator
from uuid import UUID

import orjson
from django.http import StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request

from batches.models import Batch
from batches.reporting.progress import progress_of

EVENT_INTERVAL_SECONDS = 1.0
MAX_STREAM_SECONDS = 600.0  # then the stream ends, and a browser opens the next by itself
ACCESS_CHECK_SECONDS = 10.0  # whether whoever watches still may
MAX_STREAMS = 4  # per process; who comes later gets one event, and comes again
RETRY_EVENT = b"retry: 2000\n\n"
stream_slots = threading.BoundedSemaphore(MAX_STREAMS)


def wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("Accept", "")


def stream_progress(batch_id: UUID, *, has_access: Callable[[], bool]) -> StreamingHttpResponse:
    """A stream of the batch's progress, until it ends or the watcher may no longer look."""
    response = StreamingHttpResponse(
        progress_events(batch_id, has_access=has_access),
        content_type="text/event-stream; charset=utf-8",
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = (
        "no"  # proxies in front should pass every event on at once
    )
    return response


def progress_events(
    batch_id: UUID, *, has_access: Callable[[], bool] = lambda: True
) -> Generator[bytes]:
    """An event with the progress at once, then whenever a second has passed; the last one when the
    batch has ended.
    """
    yield RETRY_EVENT
    may_stay = stream_slots.acquire(blocking=False)
    try:
        ends_at = time.monotonic() + MAX_STREAM_SECONDS
        asked_at = time.monotonic()
        while True:
            began = time.monotonic()
            if began - asked_at >= ACCESS_CHECK_SECONDS:
                asked_at = began
                if not has_access():
                    return
            batch = Batch.unscoped.select_related("phone_number").filter(pk=batch_id).first()
            if batch is None:
                return
            yield (
                b"data: "
                + orjson.dumps(progress_of(batch, now=timezone.now()), option=orjson.OPT_UTC_Z)
                + b"\n\n"
            )
            took = time.monotonic() - began
            if not may_stay or batch.status in Batch.Status.final() or time.monotonic() > ends_at:
                return
            time.sleep(max(EVENT_INTERVAL_SECONDS, 5 * took))  # a long list is counted less often
    finally:
        if may_stay:
            stream_slots.release()
