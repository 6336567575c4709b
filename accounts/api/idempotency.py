"""`Idempotency-Key`: a POST that is sent twice takes effect once and gets one response.

A key belongs to its principal, for one path in one workspace. It is claimed by inserting a row
before the view does anything; a unique constraint lets one request win. Once the view is done, the
response is stored, encrypted because it may carry a new key or token.

- A crash is stored too, as a 500: half of the work may be done.
- Refusals (4xx) have done nothing. They are not stored, so that a corrected request may use the
  key. Nor is a provider's failure of which nothing remains (`ProviderError.is_repeatable`).
- A process that dies in between leaves the key claimed, because nothing proves that no work was
  done.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from accounts.models import IdempotentRequest
from voiceops.api.errors import DEFAULT_DETAILS
from voiceops.api.renderers import encode_json
from voiceops.core import crypto
from voiceops.core.errors import Conflict, Invalid

IDEMPOTENCY_HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
# Of an address without credentials: stored answers must not fill the disk.
MAX_KEYS_OF_STRANGER = 10
STRANGER_INTERVAL = timedelta(hours=1)
# On these paths cookies and headers, not the body, decide what the request is about.
REFRESH_PATH = "/auth/refresh"
LOGOUT_PATH = "/auth/logout"


def has_key(request: Any) -> bool:
    """Whether the request is a POST with an `Idempotency-Key`."""
    return request.method == "POST" and IDEMPOTENCY_HEADER in request.headers


def claim(request: Request, *, now: datetime) -> IdempotentRequest | HttpResponse | None:
    """Return the claimed row, which `store_response` completes, or the response to replay.

    None for a stranger who has used MAX_KEYS_OF_STRANGER keys lately: then nothing is stored.

    Raises Conflict while the first request is running, or when the key was used for another one;
    Invalid for a malformed key.
    """
    key = request.headers[IDEMPOTENCY_HEADER]
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise Invalid(f"{IDEMPOTENCY_HEADER} must have 1 to {MAX_KEY_LENGTH} printable characters")
    scope = _scope(request)
    fingerprint = _fingerprint(request)
    rows = IdempotentRequest.objects.filter(scope=scope, key=key)
    rows.expired(now).delete()
    if _is_busy_stranger(request, now) and not rows.exists():
        return None
    try:
        # A savepoint: PostgreSQL refuses further statements after a failed one.
        with transaction.atomic():
            return IdempotentRequest.objects.create(scope=scope, key=key, fingerprint=fingerprint)
    except IntegrityError:
        earlier = rows.first()

    if earlier is not None and earlier.fingerprint != fingerprint:
        raise Conflict("Idempotency key reused with a different request")
    # The row may have been deleted again by a request that was refused.
    if earlier is None or earlier.answer is None:
        raise Conflict("Request in progress")
    return _replay(earlier)


def store_response(row: IdempotentRequest, response: HttpResponseBase | None) -> None:
    """Store the response (None: the view crashed), or free the key when nothing was done."""
    is_refusal = response is not None and 400 <= response.status_code < 500
    is_repeatable = getattr(response, "is_repeatable", False)
    if is_refusal or is_repeatable or not isinstance(response, Response | None):
        row.delete()
        return
    if response is None:
        stored = {"status": 500, "body": {"detail": DEFAULT_DETAILS[500]}, "cookies": ""}
    else:
        stored = {
            "status": response.status_code,
            "body": response.data,
            "cookies": response.cookies.output(header="", sep="\n"),
        }
    stored["body"] = encode_json(stored["body"]).decode()
    row.answer = crypto.encrypt(json.dumps(stored), _context(row))
    row.save(update_fields=["answer"])


def _replay(row: IdempotentRequest) -> HttpResponse:
    stored = json.loads(crypto.decrypt(row.answer or "", _context(row)))
    response = HttpResponse(
        stored["body"], status=stored["status"], content_type="application/json"
    )
    response.cookies.load(stored["cookies"])
    response["Idempotent-Replay"] = "true"
    return response


def _context(row: IdempotentRequest) -> str:
    return crypto.context_of("accounts_idempotentrequest", "answer", row.pk)


def _scope(request: Request) -> str:
    """Return who owns the key (an IP address without credentials), and a hash of where it holds."""
    principal = request.auth if isinstance(request.auth, Principal) else None
    owner = principal.scope if principal else f"ip:{client_ip(request)}"
    place: list[object] = [
        request.path_info,
        str(principal.workspace.pk) if principal and principal.workspace else None,
    ]
    if request.path_info == LOGOUT_PATH:  # reads credentials without requiring them
        cookies = [request.COOKIES.get(name) or None for name in ("access_token", "refresh_token")]
        place += [request.headers.get("Authorization"), *cookies]
    return f"{owner}:{hashlib.sha256(json.dumps(place).encode()).hexdigest()[:20]}"


def _is_busy_stranger(request: Request, now: datetime) -> bool:
    """Whether an address without credentials has used as many keys lately as are stored for it."""
    if isinstance(request.auth, Principal):
        return False
    lately = IdempotentRequest.objects.filter(created_at__gt=now - STRANGER_INTERVAL)
    own = lately.filter(scope__startswith=f"ip:{client_ip(request)}:")
    return own.count() >= MAX_KEYS_OF_STRANGER


def _fingerprint(request: Request) -> str:
    """Return a hash of everything that makes the request what it is."""
    cookie = request.COOKIES.get("refresh_token", "") if request.path_info == REFRESH_PATH else ""
    parts = (request.META.get("QUERY_STRING", ""), cookie)
    fingerprint = hashlib.sha256(json.dumps(parts).encode())
    for chunk in _body_chunks(request):
        fingerprint.update(chunk)
    return fingerprint.hexdigest()


def _body_chunks(request: Request) -> Iterable[bytes]:
    """Yield the body's bytes; of a form its fields and files, whose boundary differs each time."""
    accepts_forms = any(
        parser.media_type == "multipart/form-data" for parser in request.parsers or ()
    )
    if not accepts_forms or not str(request.content_type).startswith("multipart/"):
        yield request.body
        return
    form: Any = request.data  # a QueryDict of fields and files
    for name in sorted(form):
        for value in form.getlist(name):
            if hasattr(value, "chunks"):
                yield json.dumps([name, value.name, value.size]).encode()
                yield from value.chunks()
                value.seek(0)
            else:
                yield json.dumps([name, value]).encode()
