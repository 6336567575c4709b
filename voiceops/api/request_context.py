"""The outermost middleware: request ids, headers of trusted proxies, and a log line per request."""

import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from voiceops.core.ip_networks import is_within
from voiceops.observability.structured_logging import bind, log_context

logger = logging.getLogger("voiceops.requests")
REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Monitoring, and open pages of the console, request these all day.
UNLOGGED_PATHS = ("/healthz", "/readyz", "/metrics", "/console/alive")
MAX_LOGGED_PATH = 200


class RequestContextMiddleware:
    """Gives each request an id, which its log lines and its response carry."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started_at = time.monotonic()
        client_id = request.headers.get("X-Request-ID", "")
        request_id = client_id if REQUEST_ID_PATTERN.fullmatch(client_id) else uuid4().hex
        with log_context(request_id=request_id):
            trust_forwarded_headers(request)
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request_id
            if request.path not in UNLOGGED_PATHS:
                log_request(request, response, time.monotonic() - started_at)
        return response


def trust_forwarded_headers(request: HttpRequest) -> None:
    """Apply forwarding headers of trusted proxies and drop those of anyone else.

    The client's address is what the nearest trusted proxy saw. `X-Forwarded-Proto` is trusted from
    this machine too, where a proxy may end TLS.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    is_trusted = _is_trusted_proxy(peer)
    if not is_trusted and not is_within(peer, ("127.0.0.0/8", "::1")):
        request.META.pop("HTTP_X_FORWARDED_PROTO", None)
    if is_trusted:
        forwarded_for = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        hops = [hop.strip() for hop in forwarded_for if hop.strip()]
        untrusted_hops = (hop for hop in reversed(hops) if not _is_trusted_proxy(hop))
        request.META["REMOTE_ADDR"] = next(untrusted_hops, peer)


def log_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Log method, path, status and duration.

    Never the query, which may contain numbers and names, nor a token that is part of the path.
    """
    path = request.path[:MAX_LOGGED_PATH]
    match = getattr(request, "resolver_match", None)
    if match is not None and (token := match.kwargs.get("token")):
        path = path.replace(str(token), "•••")
    bind(
        method=str(request.method),
        status=str(response.status_code),
        ip=str(request.META.get("REMOTE_ADDR", "")),
    )
    logger.info(
        "%s %s %s",
        request.method,
        path,
        response.status_code,
        extra={"facts": {"ms": round(seconds * 1e3)}},
    )


def _is_trusted_proxy(address: str) -> bool:
    return is_within(address, tuple(settings.TRUSTED_PROXIES))
