"""The outermost middleware: who is listened to, what every answer carries, and the line about it in
the log.
"""

import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from voiceops.api.errors import json_error
from voiceops.api.security_headers import set_security_headers
from voiceops.core.ip_networks import is_within
from voiceops.observability.structured_logging import bind, log_context

logger = logging.getLogger("voiceops.requests")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
UNLOGGED_PATHS = (
    "/healthz",
    "/readyz",
    "/metrics",
)  # asked all day long; their answers are of no interest afterwards
MAX_LOGGED_PATH = 200


class RequestContextMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        given = request.headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        with log_context(request_id=request_id):
            trust_forwarded_headers(request)
            response = self.respond(request)
            response.headers["X-Request-ID"] = request_id
            set_security_headers(request, response)
            if request.path not in UNLOGGED_PATHS:
                log_request(request, response, time.monotonic() - began)
        return response

    def respond(self, request: HttpRequest) -> HttpResponse:
        try:
            request.get_host()
        except DisallowedHost:
            return json_error(400)
        if request.path_info.strip("/").partition("/")[0] in settings.CLOSED_PAGES:
            return json_error(404)
        return self.get_response(request)


def trust_forwarded_headers(request: HttpRequest) -> None:
    """Forwarding headers count only from whom they may come; of the address, what the nearest
    listed proxy saw.

    `X-Forwarded-Proto` is also believed from this machine, where a proxy that ends TLS is at home.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    listed = _is_trusted_proxy(peer)
    if not listed and not is_within(peer, ("127.0.0.0/8", "::1")):
        request.META.pop("HTTP_X_FORWARDED_PROTO", None)
    if listed:
        hops = [
            hop.strip()
            for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
            if hop.strip()
        ]
        request.META["REMOTE_ADDR"] = next(
            (hop for hop in reversed(hops) if not _is_trusted_proxy(hop)), peer
        )


def log_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Never the query, which may name people; of a link that is a credential, not the credential."""
    path, match = request.path[:MAX_LOGGED_PATH], getattr(request, "resolver_match", None)
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
