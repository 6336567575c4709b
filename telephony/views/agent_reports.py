"""Where a voice agent reports on its call. A plain view: every live call posts here every two
seconds.
"""

from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ParseError

from telephony.domain import report_tokens
from telephony.serializers.reports import BadReport, read_report
from telephony.services.agent_reports import apply_report
from telephony.views.raw_body import MALFORMED, read_raw_body
from voiceops.api.errors import json_error
from voiceops.api.parsers import parse_json
from voiceops.core.errors import NotFound

MAX_REPORT_BYTES = 1024 * 1024


@csrf_exempt
def report(request: HttpRequest, pk: str) -> HttpResponse:
    """200 once stored; a 5xx asks the agent to send it again."""
    call_id = _authorized_call_id(request, pk)
    if call_id is None:
        return json_error(401)
    if request.method != "POST":
        return json_error(405)
    if request.content_type != "application/json":
        return json_error(415)
    body = read_raw_body(request, MAX_REPORT_BYTES)
    return body if isinstance(body, HttpResponse) else _apply(call_id, body)


def _authorized_call_id(request: HttpRequest, pk: str) -> UUID | None:
    """The call, when the bearer token is its own."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        call_id = UUID(pk)
    except ValueError:
        return None
    return (
        call_id
        if scheme.lower() == "bearer" and report_tokens.verify(token.strip(), call_id)
        else None
    )


def _apply(call_id: UUID, body: bytes) -> HttpResponse:
    try:
        apply_report(call_id=call_id, events=read_report(parse_json(body)))
    except ParseError:
        return json_error(400, MALFORMED)
    except BadReport as error:
        return JsonResponse({"detail": error.mistakes}, status=422)
    except NotFound as error:
        return json_error(404, str(error))
    except (OperationalError, InterfaceError):
        return json_error(503, "The database cannot be reached")
    return JsonResponse({"detail": "Received"})
