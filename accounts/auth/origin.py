"""Whether a request, or an address that a page is to lead to, is one of our own pages'."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


def require_own_origin(request: Request | HttpRequest) -> None:
    """Refuse an unsafe request that a foreign page made the browser send.

    Browsers send `Origin` with every unsafe request; without it, `Sec-Fetch-Site` decides. Programs
    send neither and are let through.

    Raises PermissionDenied (403).
    """
    # `none` means that the user typed the address or opened a bookmark.
    origin = request.headers.get("Origin")
    if origin is None:
        is_foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
    else:
        own_origin = f"{request.scheme}://{request.get_host()}"
        trusted = (own_origin, _origin_of(settings.PUBLIC_URL), *settings.TRUSTED_ORIGINS)
        is_foreign = origin not in trusted
    if is_foreign:
        raise PermissionDenied("Origin not allowed")


def own_page(page: str, *, default: str) -> str:
    """Return the path of a page of ours, to which a visitor may be led; the default for others."""
    is_ours = url_has_allowed_host_and_scheme(page, allowed_hosts=None)
    return page if is_ours and page.startswith("/") else default


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
