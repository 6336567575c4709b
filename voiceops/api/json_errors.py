import logging
from collections.abc import Callable

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse

from voiceops.api.error_pages import error_page, wants_page
from voiceops.api.errors import http_status, json_error, transient_detail

logger = logging.getLogger("voiceops.api")
HTML_PREFIXES = ("/admin/", "/console/", "/static/")  # answered in HTML
HTML_PATHS = ("/", "/admin", "/console", "/auth/continue")


class JsonErrorsMiddleware:
    """Turns errors raised outside REST framework into the documented JSON, also with DEBUG=1.

    It accepts a trailing slash, which no documented path has.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_html_path(request):
            return self._respond_to_page(request)

        if len(request.path_info) > 1:
            request.path_info = request.path_info.removesuffix("/")
        response = self.get_response(request)
        is_json = response.get("Content-Type", "").startswith("application/json")
        if response.status_code >= 400 and not is_json:
            is_unknown = request.resolver_match is None and wants_page(request)
            response = error_page(404) if is_unknown else _to_json_error(response)
        if request.method == "HEAD" and not response.streaming:
            # Web servers treat the body of a HEAD differently. Its length is in the headers.
            response.content = b""
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Respond to a bug in a view, or to an exception of Django's own."""
        status = http_status(exception)
        if is_html_path(request) and status != 500:
            return None
        # Django sends the signal only for exceptions that no middleware handles.
        if status == 500:
            got_request_exception.send(sender=type(self), request=request)
            logger.error("%s %s failed", request.method, request.path, exc_info=exception)
        if is_html_path(request) and wants_page(request):
            return error_page(status)
        return json_error(status, transient_detail(exception))

    def _respond_to_page(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/console/"):
            request.path_info = request.path_info.removesuffix("/")
        response = json_error(405) if request.method == "TRACE" else self.get_response(request)
        if _is_missing_file(request, response):
            return _to_json_error(response)
        if response.status_code >= 500 or _is_missing_page(request, response):
            return (
                error_page(response.status_code)
                if wants_page(request)
                else _to_json_error(response)
            )
        return response


def _to_json_error(response: HttpResponse) -> HttpResponse:
    """Return the documented error of the same status, with the other headers of `response`."""
    error = json_error(response.status_code)
    for name, value in response.items():
        if name not in ("Content-Type", "Content-Length"):
            error[name] = value
    return error


def _is_missing_file(request: HttpRequest, response: HttpResponse) -> bool:
    return response.status_code == 404 and request.path_info.startswith("/static/")


def _is_missing_page(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether no page has the address; a page that misses a row has its own words for it."""
    return response.status_code == 404 and request.resolver_match is None


def is_html_path(request: HttpRequest) -> bool:
    """Whether the address is one of a page, for people in a browser."""
    return request.path_info.startswith(HTML_PREFIXES) or request.path_info in HTML_PATHS
