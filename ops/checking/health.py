"""What load balancers and monitoring ask: is the process alive, is what it needs reachable, and how
much is going on.
"""

import logging
from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from ops.checking.dependencies import (
    UnreachableError,
    reach_broker,
    reach_database,
    reach_livekit,
)
from ops.checking.metrics import CONTENT_TYPE, render_metrics
from voiceops.api import error_codes
from voiceops.core.remembered import remembered

logger = logging.getLogger(__name__)
MEMORY_SECONDS = 1.0
# Load balancers usually allow a probe five seconds; three dependencies must fit into them.
PROBE_TIMEOUT_SECONDS = 2
PROBES: dict[str, Callable[[], None]] = {
    "database": reach_database,
    "broker": partial(reach_broker, timeout_seconds=PROBE_TIMEOUT_SECONDS),
    "livekit": partial(reach_livekit, timeout_seconds=PROBE_TIMEOUT_SECONDS),
}


# A POST is answered with 405, and must not fail earlier for a missing CSRF token.
@csrf_exempt
@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """200 as long as the process serves requests."""
    return JsonResponse({"status": "alive"})


@csrf_exempt
@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when database, broker and LiveKit can be reached, else 503 and which cannot."""
    # All are probed even if the first fails, so that one look names everything that is down.
    checks = probe_all()
    unreachable = [name for name, status in checks.items() if status != "ok"]
    if unreachable:
        detail = f"Not ready: {', '.join(unreachable)}"
        headers = {error_codes.HEADER: error_codes.code_of(503, detail)}
        return JsonResponse({"detail": detail, "checks": checks}, status=503, headers=headers)
    return JsonResponse({"status": "ready", "checks": checks})


@csrf_exempt
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics of the whole installation in Prometheus' text format 0.0.4."""
    return HttpResponse(collect_metrics(), content_type=CONTENT_TYPE)


# Anyone may ask, and as often as they like: within a second, all get the same answer.
@remembered(seconds=MEMORY_SECONDS)
def probe_all() -> dict[str, str]:
    """Return `ok` or `unreachable` for each of the dependencies."""
    return {name: "ok" if is_reachable(name) else "unreachable" for name in PROBES}


@remembered(seconds=MEMORY_SECONDS)
def collect_metrics() -> bytes:
    """Return the metrics in Prometheus' text format."""
    return render_metrics()


def is_reachable(name: str) -> bool:
    """Whether `database`, `broker` or `livekit` responds within two seconds."""
    try:
        PROBES[name]()
    except UnreachableError as error:
        # Addresses and credentials of the error stay out of the log.
        logger.warning("The %s cannot be reached (%s)", name, error)
        return False
    return True
