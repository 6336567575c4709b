"""Reports of voice workers: what they can speak with. A plain view, as LiveKit's webhooks are."""

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ParseError, ValidationError

from agents.serializers.voice_workers import VoiceWorkerReportSerializer
from agents.voice_workers import record_voice_worker
from telephony.views.raw_body import MALFORMED, RECEIVED, read_signed_body
from voiceops.api import error_codes
from voiceops.api.errors import json_error, list_errors
from voiceops.api.parsers import parse_json

MAX_WORKER_REPORT_BYTES = 128 * 1024


# The worker signs the body with the key of LiveKit, which it has in common with us.
@csrf_exempt
def voice_worker_report(request: HttpRequest) -> HttpResponse:
    """Answer 200 once the report is stored."""
    body = read_signed_body(request, MAX_WORKER_REPORT_BYTES)
    if isinstance(body, HttpResponse):
        return body
    try:
        serializer = VoiceWorkerReportSerializer(data=parse_json(body))
        serializer.is_valid(raise_exception=True)
        record_voice_worker(**serializer.validated_data)
    except ParseError:
        return json_error(400, MALFORMED)
    except ValidationError as error:
        errors = list_errors(error.get_full_details(), "body")
        headers = {error_codes.HEADER: error_codes.VALIDATION_FAILED}
        return JsonResponse({"detail": errors}, status=422, headers=headers)
    except (OperationalError, InterfaceError):
        return json_error(503, "The database cannot be reached")
    return HttpResponse(RECEIVED, content_type="application/json")
