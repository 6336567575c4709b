"""The requests of machines, of which every call makes some twenty, take the short way to their
views: LiveKit's webhooks and the agents' reports.

They have no session, no cookie and no form, and each is authenticated by its own signature.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from telephony.views.agent_reports import report
from telephony.views.livekit_webhook import livekit_webhook

WEBHOOK_PATH = "/livekit/webhook"
REPORT_PREFIX, REPORT_SUFFIX = "/calls/", "/report"


class MachineRequestsMiddleware:
    """Answers them in place of the middleware below it, and of the URL resolver.

    What stands above it holds for them too: request ids, trusted proxies, security headers, errors
    as JSON. `telephony/urls.py` names the same paths, and a test holds both to the same answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if path == WEBHOOK_PATH:
            response = livekit_webhook(request)
        elif path.startswith(REPORT_PREFIX) and path.endswith(REPORT_SUFFIX):
            call_id = path[len(REPORT_PREFIX) : -len(REPORT_SUFFIX)]
            if not call_id or "/" in call_id:
                return self.get_response(request)
            response = report(request, call_id)
        else:
            return self.get_response(request)
        # As Django's CommonMiddleware does.
        response.headers["Content-Length"] = str(len(response.content))
        return response
