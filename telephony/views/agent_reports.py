"""Reports of voice agents. A plain view, because every live call posts here every two seconds."""

from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ParseError

from telephony.domain import report_tokens
from telephony.serializers.reports import InvalidReport, read_report
from telephony.services.agent_reports import Report, apply_report
from telephony.services.call_control import CALL_HAS_ENDED
from telephony.views.foreseen import outcome_of
from telephony.views.raw_body import MALFORMED, RECEIVED, read_raw_body
from voiceops.api import error_codes
from voiceops.api.errors import json_error, method_not_allowed
from voiceops.api.parsers import parse_json
from voiceops.core.errors import NotFound

MAX_REPORT_BYTES = 1024 * 1024


# The bearer token is the only credential and no cookie is read, so nothing can be forged.
@csrf_exempt
def report(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer 200 once the report is stored; after a 5xx the agent repeats it.

    "Call has ended" asks the agent to leave the room; what it has still to report is welcome.
    """
    # Before method and body: a stranger is to learn nothing but that the token is wrong.
    call_id = authorized_call_id(request.META.get("HTTP_AUTHORIZATION", ""), pk)
    if call_id is None:
        return json_error(401)
    if request.method != "POST":
        return method_not_allowed("POST")
    if request.content_type != "application/json":
        return json_error(415)
    body = read_raw_body(request, MAX_REPORT_BYTES)
    return body if isinstance(body, HttpResponse) else _apply(request, call_id, body)


def authorized_call_id(authorization: str, pk: str) -> UUID | None:
    """Return the call's id when the bearer token belongs to the call."""
    scheme, _, token = authorization.partition(" ")
    try:
        call_id = UUID(pk)
    except ValueError:
        return None
    if scheme.lower() != "bearer" or not report_tokens.verify(token.strip(), call_id):
        return None
    return call_id


def read_report_on(call_id: UUID, body: bytes) -> Report:
    """Return the report in a body. Raises ParseError, ValidationError, InvalidReport."""
    return Report(call_id, read_report(parse_json(body)))


def _apply(request: HttpRequest, call_id: UUID, body: bytes) -> HttpResponse:
    goes_on = outcome_of(request, body)
    try:
        if goes_on is None:
            events = read_report_on(call_id, body).events
            goes_on = apply_report(call_id=call_id, events=events)
    except ParseError:
        return json_error(400, MALFORMED)
    except InvalidReport as error:
        headers = {error_codes.HEADER: error_codes.VALIDATION_FAILED}
        return JsonResponse({"detail": error.errors}, status=422, headers=headers)
    except NotFound as error:
        return json_error(404, str(error))
    except (OperationalError, InterfaceError):
        return json_error(503, "The database cannot be reached")
    if not goes_on:
        return JsonResponse({"detail": CALL_HAS_ENDED})
    return HttpResponse(RECEIVED, content_type="application/json")
