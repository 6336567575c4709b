"""What the views outside REST framework share: machines post to them many times a second."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from telephony.clients.livekit.webhook_signature import BadSignature, check_signature
from voiceops.api.errors import json_error, method_not_allowed

MALFORMED = "Malformed request body"
RECEIVED = b'{"detail": "Received"}'


def read_raw_body(request: HttpRequest, limit: int) -> bytes | HttpResponse:
    """Return the raw body, or the refusal of a body that is too large or incomplete."""
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            return json_error(413)
        # One byte more than allowed, to detect long bodies without a Content-Length.
        body = request.read(limit + 1)
    except (RequestDataTooBig, UnreadablePostError, ValueError):
        return json_error(400, MALFORMED)
    return json_error(413) if len(body) > limit else body


def read_signed_body(request: HttpRequest, limit: int) -> bytes | HttpResponse:
    """Return the raw body of a POST that is signed as LiveKit signs, or its refusal."""
    body = read_raw_body(request, limit)
    if isinstance(body, HttpResponse):
        return body
    try:
        # Over the bytes as they came: the hash of JSON that was parsed and written again would
        # differ.
        check_signature(body, request.META.get("HTTP_AUTHORIZATION", ""))
    except BadSignature:
        return json_error(401)
    return method_not_allowed("POST") if request.method != "POST" else body
