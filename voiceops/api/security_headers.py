"""Security headers of every response, and the refusals that precede all other middleware."""

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.security import SecurityMiddleware

from voiceops.api.errors import json_error

NO_FRAMING = "frame-ancestors 'none'; object-src 'none'; base-uri 'none'"
DATA_POLICY = f"{NO_FRAMING}; default-src 'none'"
# Pages load from this server only. Redoc builds its worker from a blob; the libraries set styles in
# attributes.
PAGE_POLICY = (
    f"{NO_FRAMING}; form-action 'self'; default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src 'self' blob:; media-src {media}; script-src 'self'"
)
AMAZON = "https://*.amazonaws.com"
# Alpine, on which the admin's theme is built, evaluates the code in its attributes.
ADMIN_POLICY = f"{PAGE_POLICY} 'unsafe-eval'"

CONNECT_SOURCES = "_connect_sources"  # of a response: where the scripts of its page connect to


def allow_connections(response: HttpResponseBase, sources: Sequence[str]) -> None:
    """Let the scripts of this page connect to these addresses, too."""
    setattr(response, CONNECT_SOURCES, tuple(sources))


class SecureResponseMiddleware(SecurityMiddleware):
    """Django's security headers and redirect to HTTPS, with a Content-Security-Policy.

    Unknown hosts and closed pages are refused here, so that these responses carry the headers too.
    """

    # The stubs know of redirects only.
    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:  # type: ignore[override]
        try:
            request.get_host()
        except DisallowedHost:
            return json_error(400)
        if request.path_info.strip("/").partition("/")[0] in settings.CLOSED_PAGES:
            return json_error(404)
        return super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        response.headers["Content-Security-Policy"] = _content_policy(request, response)
        return response


def _content_policy(request: HttpRequest, response: HttpResponse) -> str:
    if not response.get("Content-Type", "").startswith("text/html"):
        return DATA_POLICY
    policy = ADMIN_POLICY if request.path_info.startswith("/admin") else PAGE_POLICY
    if sources := getattr(response, CONNECT_SOURCES, ()):
        policy += f"; connect-src 'self' {' '.join(sources)}"
    return policy.replace("{media}", _media_sources())


def _media_sources() -> str:
    """Where a player may load recordings from: this server, or the storage that links lead to."""
    if settings.RECORDINGS_STORAGE != "s3":
        return "'self'"
    return f"'self' {settings.S3_PUBLIC_ENDPOINT_URL or settings.S3_ENDPOINT_URL or AMAZON}"
