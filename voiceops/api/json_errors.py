import logging
from collections.abc import Callable

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse

from voiceops.api.errors import http_status, json_error

logger = logging.getLogger("voiceops.api")
HTML_PREFIXES = ("/admin/", "/static/")  # answered in HTML, and with slashes of their own


class JsonErrorsMiddleware:
    """Whatever goes wrong outside REST framework is the documented JSON too, also with DEBUG on.

    Tolerates a trailing slash, which no documented path has.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _is_page(request):
            response = json_error(405) if request.method == "TRACE" else self.get_response(request)
            return (
                _to_json_error(response)
                if response.status_code >= 500 or _is_missing_file(request, response)
                else response
            )
        if len(request.path_info) > 1:
            request.path_info = request.path_info.removesuffix("/")
        response = self.get_response(request)
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith(
            "application/json"
        ):
            response = _to_json_error(response)
        if request.method == "HEAD" and not response.streaming:
            response.content = (
                b""  # its length stays told; servers differ in what they make of a body
            )
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A bug in a view, or a refusal of Django's own outside REST framework."""
        status = http_status(exception)
        if _is_page(request) and status != 500:
            return None
        if status == 500:
            got_request_exception.send(sender=type(self), request=request)
            logger.error("%s %s failed", request.method, request.path, exc_info=exception)
        return json_error(status)


def _to_json_error(response: HttpResponse) -> HttpResponse:
    """The same answer with the documented body; headers that others have set stay."""
    answer = json_error(response.status_code)
    for name, value in response.items():
        if name not in ("Content-Type", "Content-Length"):
            answer[name] = value
    return answer


def _is_missing_file(request: HttpRequest, response: HttpResponse) -> bool:
    return response.status_code == 404 and request.path_info.startswith("/static/")


def _is_page(request: HttpRequest) -> bool:
    return request.path_info.startswith(HTML_PREFIXES) or request.path_info == "/admin"
