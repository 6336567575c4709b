"""LiveKit's webhooks. A plain view, because REST framework refuses their media type with 415."""

from typing import Any

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from telephony.services import inbox
from telephony.views.foreseen import outcome_of
from telephony.views.raw_body import MALFORMED, RECEIVED, read_signed_body
from voiceops.api.errors import json_error
from voiceops.core.errors import Invalid
from voiceops.core.nul_characters import without_nuls

MAX_WEBHOOK_BYTES = 256 * 1024
ESCAPED_NUL = b"\\u0000"


# LiveKit signs the body instead, and sends no cookie that a foreign page could misuse.
@csrf_exempt
def livekit_webhook(request: HttpRequest) -> HttpResponse:
    """Answer 200 once the event is stored.

    LiveKit repeats an event only after a 5xx; every other refusal loses it.
    """
    body = read_signed_body(request, MAX_WEBHOOK_BYTES)
    if isinstance(body, HttpResponse):
        return body
    try:
        if outcome_of(request, body) is None:
            inbox.receive_event(read_event(body))
    except (orjson.JSONDecodeError, Invalid):
        return json_error(400, MALFORMED)
    except (OperationalError, InterfaceError):
        return json_error(503, "The database cannot be reached")
    return HttpResponse(RECEIVED, content_type="application/json")


def read_event(body: bytes) -> dict[str, Any]:
    """Return what a body says. Raises JSONDecodeError, Invalid."""
    event = orjson.loads(body)
    # After parsing: in the bytes, the same characters may spell a backslash and a word. Looking at
    # every text is slow, so it happens only where there is one.
    if ESCAPED_NUL in body:
        event = without_nuls(event)
    if not isinstance(event, dict):
        raise Invalid(MALFORMED)
    return event
