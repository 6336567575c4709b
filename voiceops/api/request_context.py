"""The outermost middleware: request ids, headers of trusted proxies, and a log line per request."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any
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
        request_id = choose_request_id(request.headers.get("X-Request-ID", ""))
        with log_context(request_id=request_id):
            trust_forwarded_headers(request.META)
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request_id
            if request.path not in UNLOGGED_PATHS:
                log_request(request, response, time.monotonic() - started_at)
        return response


def choose_request_id(client_id: str) -> str:
    """Return the id that the client gave its request, if it is one, or a new one."""
    return client_id if REQUEST_ID_PATTERN.fullmatch(client_id) else uuid4().hex


def trust_forwarded_headers(headers: dict[str, Any]) -> None:
    """Apply forwarding headers of trusted proxies and drop those of anyone else.

    The client's address is what the nearest trusted proxy saw. `X-Forwarded-Proto` is trusted from
    this machine too, where a proxy may end TLS.
    """
    peer = headers.get("REMOTE_ADDR", "")
    is_trusted = _is_trusted_proxy(peer)
    if not is_trusted and not is_within(peer, ("127.0.0.0/8", "::1")):
        headers.pop("HTTP_X_FORWARDED_PROTO", None)
    if is_trusted:
        forwarded_for = headers.get("HTTP_X_FORWARDED_FOR", "").split(",")
        hops = [hop.strip() for hop in forwarded_for if hop.strip()]
        untrusted_hops = (hop for hop in reversed(hops) if not _is_trusted_proxy(hop))
        headers["REMOTE_ADDR"] = next(untrusted_hops, peer)


def log_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Log method, path, status and duration.

    Never the query, which may contain numbers and names, nor a token that is part of the path.
    """
    path = request.path[:MAX_LOGGED_PATH]
    match = getattr(request, "resolver_match", None)
    if match is not None and (token := match.kwargs.get("token")):
        path = path.replace(str(token), "•••")
    address = str(request.META.get("REMOTE_ADDR", ""))
    log_answer(str(request.method), path, str(response.status_code), address, seconds)


def log_answer(method: str, path: str, status: str, address: str, seconds: float) -> None:
    """Write the line of a request. Nothing in its path is secret."""
    bind(method=method, status=status, ip=address)
    logger.info("%s %s %s", method, path, status, extra={"facts": {"ms": round(seconds * 1e3)}})


def _is_trusted_proxy(address: str) -> bool:
    return is_within(address, tuple(settings.TRUSTED_PROXIES))
