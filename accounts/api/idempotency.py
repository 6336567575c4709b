"""`Idempotency-Key`: a POST sent twice has one effect, and both senders read the same answer.

A key belongs to whoever sent it, for one path in one workspace; elsewhere it is another key. It is
claimed by inserting its row, before the view does anything; a unique constraint lets one request
win. What was answered is stored once the view is done, encrypted because it may carry a new key or
token, and for a crash too: it may have done half its work. Refusals (4xx) did nothing and are not
stored, so that a mended request may use its key again. A process that dies in between leaves the
key claimed: nobody can prove that nothing happened.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from accounts.models import IdempotentRequest
from voiceops.api.errors import DEFAULT_DETAILS
from voiceops.core import crypto
from voiceops.core.errors import Conflict, Invalid

HEADER = "Idempotency-Key"
LIFE = timedelta(hours=24)
LONGEST_KEY = 255
REFRESH, LOGOUT = "/auth/refresh", "/auth/logout"  # no body need say whom they are about


def claim(request: Request, *, now: datetime) -> IdempotentRequest | HttpResponse:
    """The claimed row, to be settled; or the stored response. Raises Conflict, and Invalid for a
    key that is none.
    """
    key = request.headers[HEADER]
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise Invalid(f"{HEADER} must have 1 to {LONGEST_KEY} printable characters")
    scope, fingerprint = _scope(request), _fingerprint(request)
    rows = IdempotentRequest.objects.filter(scope=scope, key=key)
    rows.filter(created_at__lt=now - LIFE).delete()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(scope=scope, key=key, fingerprint=fingerprint)
    except IntegrityError:
        earlier = rows.first()
    if earlier is not None and earlier.fingerprint != fingerprint:
        raise Conflict("Idempotency key reused with a different request")
    if earlier is None or earlier.answer is None:
        raise Conflict("Request in progress")
    return _replay(earlier)


def store_answer(row: IdempotentRequest, response: HttpResponseBase | None) -> None:
    """Store what was answered (None: the view crashed), or free the key where nothing was done."""
    if response is not None and (
        400 <= response.status_code < 500 or not isinstance(response, Response)
    ):
        row.delete()
        return
    data = response.data if isinstance(response, Response) else {"detail": DEFAULT_DETAILS[500]}
    answer = {
        "status": response.status_code if response is not None else 500,
        "body": JSONRenderer().render(data).decode(),
        "cookies": response.cookies.output(header="", sep="\n") if response is not None else "",
    }
    row.answer = crypto.encrypt(json.dumps(answer), _context(row))
    row.save(update_fields=["answer"])


def prune(*, now: datetime) -> int:
    """Forget what is older than a day; how many."""
    return IdempotentRequest.objects.filter(created_at__lt=now - LIFE).delete()[0]


def _replay(row: IdempotentRequest) -> HttpResponse:
    answer = json.loads(crypto.decrypt(row.answer or "", _context(row)))
    response = HttpResponse(
        answer["body"], status=answer["status"], content_type="application/json"
    )
    response.cookies.load(answer["cookies"])
    response["Idempotent-Replay"] = "true"
    return response


def _context(row: IdempotentRequest) -> str:
    return crypto.context_of("accounts_idempotentrequest", "answer", row.pk)


def _scope(request: Request) -> str:
    """Whose keys they are (without credentials: the address's), followed by a hash of where they
    hold.
    """
    principal = request.auth if isinstance(request.auth, Principal) else None
    who = principal.scope if principal else f"ip:{client_ip(request)}"
    where: list[object] = [
        request.path_info,
        str(principal.workspace.pk) if principal and principal.workspace else None,
    ]
    if request.path_info == LOGOUT:  # takes credentials without asking for them
        cookies = [request.COOKIES.get(name) or None for name in ("access_token", "refresh_token")]
        where += [request.headers.get("Authorization"), *cookies]
    return f"{who}:{hashlib.sha256(json.dumps(where).encode()).hexdigest()[:20]}"


def _fingerprint(request: Request) -> str:
    """A hash of everything that makes the request what it is."""
    cookie = request.COOKIES.get("refresh_token", "") if request.path_info == REFRESH else ""
    parts = (request.META.get("QUERY_STRING", ""), cookie)
    whole = hashlib.sha256(json.dumps(parts).encode())
    for piece in _body(request):
        whole.update(piece)
    return whole.hexdigest()


def _body(request: Request) -> Iterable[bytes]:
    """The body's bytes; of a form its fields and files, because each sender draws another boundary."""
    takes_forms = any(
        parser.media_type == "multipart/form-data" for parser in request.parsers or ()
    )
    if not takes_forms or not str(request.content_type).startswith("multipart/"):
        yield request.body
        return
    form: Any = request.data  # a QueryDict: fields and files
    for name in sorted(form):
        for value in form.getlist(name):
            if hasattr(value, "chunks"):
                yield json.dumps([name, value.name, value.size]).encode()
                yield from value.chunks()
                value.seek(0)
            else:
                yield json.dumps([name, value]).encode()


def names_a_key(request: Any) -> bool:
    return request.method == "POST" and HEADER in request.headers
