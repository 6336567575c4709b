from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


def require_own_origin(request: Request | HttpRequest) -> None:
    """Refuse an unsafe request that a foreign page made the browser send. Raises PermissionDenied
    (403).

    Browsers send `Origin` with every unsafe request; where it is missing, `Sec-Fetch-Site` tells.
    Programs send neither.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
    else:
        own = f"{request.scheme}://{request.get_host()}"
        foreign = origin not in (own, _origin_of(settings.PUBLIC_URL), *settings.TRUSTED_ORIGINS)
    if foreign:
        raise PermissionDenied("Origin not allowed")


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
