"""Where LiveKit tells what happens in its rooms. A plain view: REST framework answers its media
type with 415.
"""

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from telephony.clients.livekit.webhook_signature import BadSignature, check_signature
from telephony.services import livekit_events
from telephony.views.raw_body import MALFORMED, read_raw_body
from voiceops.api.errors import json_error
from voiceops.core.errors import Invalid

MAX_WEBHOOK_BYTES = 256 * 1024


@csrf_exempt
def livekit_webhook(request: HttpRequest) -> HttpResponse:
    """200 once stored. LiveKit sends again after a 5xx only: any other refusal loses the event."""
    body = read_raw_body(request, MAX_WEBHOOK_BYTES)
    if isinstance(body, HttpResponse):
        return body
    try:
        check_signature(body, request.headers.get("Authorization", ""))
    except BadSignature:
        return json_error(401)
    if request.method != "POST":
        return json_error(405)
    try:
        event = orjson.loads(body.replace(b"\\u0000", b""))  # which PostgreSQL cannot store
        if not isinstance(event, dict):
            return json_error(400, MALFORMED)
        livekit_events.receive_event(event)
    except (orjson.JSONDecodeError, Invalid):
        return json_error(400, MALFORMED)
    except (OperationalError, InterfaceError):
        return json_error(503, "The database cannot be reached")
    return JsonResponse({"detail": "Received"})
