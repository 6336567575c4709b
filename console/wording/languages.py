"""The language of the console's pages: the reader's choice, or what their browser asks for.

Other addresses keep English: the API's sentences are documented, and staff read the same words in
the admin as in the documentation.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers

API_LANGUAGE = "en"
# Of the console, though below the API's /auth: browsers send the refresh token there.
PATHS = ("/", "/auth/continue")
PREFIX = "/console"


class ConsoleLanguageMiddleware:
    """Answers the console's addresses in the reader's language."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path not in PATHS and not path.startswith(PREFIX):
            return self.get_response(request)
        language = translation.get_language_from_request(request)
        with translation.override(language):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response


def choices() -> list[tuple[str, str]]:
    """Return the languages, each under its own name."""
    return [(code, translation.get_language_info(code)["name_local"]) for code in codes()]


def codes() -> list[str]:
    """Return the codes of the languages that have a catalogue, English first."""
    return [code for code, _name in settings.LANGUAGES]
