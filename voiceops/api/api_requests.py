"""The requests of the API take the short way to their views, past what only pages need."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from voiceops.api.json_errors import is_html_path

# Files, sessions, forms and messages. The API authenticates each request by itself.
OF_PAGES = (
    WhiteNoiseMiddleware,
    SessionMiddleware,
    CommonMiddleware,
    CsrfViewMiddleware,
    AuthenticationMiddleware,
    MessageMiddleware,
)
GetResponse = Callable[[HttpRequest], HttpResponse]


class ApiRequestsMiddleware:
    """Skips the middleware of pages that follows it directly, for all addresses but those of pages.

    A session and a user who is loaded on demand would also refer back to their request, so that
    each request would stay in memory until the garbage collector comes.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.get_api_response = _without_pages(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_html_path(request):
            return self.get_response(request)
        response = self.get_api_response(request)
        # As Django's CommonMiddleware does.
        if not response.streaming and not response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(response.content))
        return response


def _without_pages(get_response: GetResponse) -> GetResponse:
    """Return what comes behind the middleware of pages."""
    # Django wraps each middleware in a function that turns exceptions into responses.
    behind: Any = get_response
    while isinstance(middleware := getattr(behind, "__wrapped__", None), OF_PAGES):
        behind = middleware.get_response
    found: GetResponse = behind
    return found
