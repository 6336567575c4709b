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

EVERY_SECONDS = 1.0
LONGEST_SECONDS = 600.0  # then the stream ends, and a browser opens the next by itself
ASKED_EVERY_SECONDS = 10.0  # whether whoever watches still may
MOST_WATCHERS = 4  # per process; who comes later gets one event, and comes again
RETRY = b"retry: 2000\n\n"
places = threading.BoundedSemaphore(MOST_WATCHERS)


def wants_events(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("Accept", "")


def follow(batch_id: UUID, *, may_watch: Callable[[], bool]) -> StreamingHttpResponse:
    """A stream of the batch's progress, until it ends or the watcher may no longer look."""
    response = StreamingHttpResponse(
        events(batch_id, may_watch=may_watch), content_type="text/event-stream; charset=utf-8"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = (
        "no"  # proxies in front should pass every event on at once
    )
    return response


def events(batch_id: UUID, *, may_watch: Callable[[], bool] = lambda: True) -> Generator[bytes]:
    """An event with the progress at once, then whenever a second has passed; the last one when the
    batch has ended.
    """
    yield RETRY
    may_stay = places.acquire(blocking=False)
    try:
        ends_at = time.monotonic() + LONGEST_SECONDS
        asked_at = time.monotonic()
        while True:
            began = time.monotonic()
            if began - asked_at >= ASKED_EVERY_SECONDS:
                asked_at = began
                if not may_watch():
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
            time.sleep(max(EVERY_SECONDS, 5 * took))  # a long list is counted less often
    finally:
        if may_stay:
            places.release()
