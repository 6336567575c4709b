"""Requests of machines are read ahead, so that those of one moment are stored together, and then
answered in the ordinary way.

What is unusual in any way is not foreseen: it takes its turn as every other request does.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from rest_framework.exceptions import ParseError, ValidationError

from telephony.clients.livekit.webhook_signature import BadSignature, check_signature
from telephony.serializers.reports import InvalidReport
from telephony.services import inbox
from telephony.views.agent_reports import authorized_call_id, read_report_on
from telephony.views.foreseen import Foreseen
from telephony.views.livekit_webhook import read_event
from telephony.views.machine_requests import REPORT_PREFIX, REPORT_SUFFIX, WEBHOOK_PATH
from voiceops.core.errors import Invalid

MAX_FORESEEN_BYTES = 16_384  # head and body
MACHINE_REQUEST = re.compile(
    rf"POST (?:{WEBHOOK_PATH}|{REPORT_PREFIX}[^/ ]+{REPORT_SUFFIX}) HTTP/1\.1\r\n".encode()
)
READ_HEADERS = (b"authorization", b"content-length", b"content-type", b"host")
# Of requests whose body is not simply what follows the head.
UNFORESEEN_HEADERS = (b"transfer-encoding", b"expect", b"upgrade", b"content-encoding")
# What the ordinary way answers with a refusal.
REFUSED_ERRORS = (BadSignature, InvalidReport, Invalid, ParseError, ValidationError, ValueError)


def foresee(sent: bytes) -> Foreseen | None:
    """Return the request of a machine, when what a socket has received is exactly one."""
    head, _, body = sent.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = _read_headers(lines)
    if headers is None or headers.get(b"content-length") != str(len(body)).encode():
        return None
    method, _, rest = first.decode("latin-1").partition(" ")
    path, _, version = rest.partition(" ")
    is_usual = (method, version) == ("POST", "HTTP/1.1")
    if not is_usual or not _is_allowed_host(headers.get(b"host", b"")):
        return None
    token = headers.get(b"authorization", b"").decode("latin-1")
    try:
        if path == WEBHOOK_PATH:
            return _foresee_webhook(path, token, body)
        if headers.get(b"content-type") == b"application/json":
            return _foresee_report(path, token, body)
    except REFUSED_ERRORS:
        return None
    return None


def _read_headers(lines: Sequence[bytes]) -> dict[bytes, bytes] | None:
    """Return the headers that matter; None when they are not simply those of a body with a length.

    Nothing is read into what is malformed: then the length is missing, or the token.
    """
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in UNFORESEEN_HEADERS or name in headers:
            return None
        if name in READ_HEADERS:
            headers[name] = value.strip()
    return headers


def _foresee_webhook(path: str, token: str, body: bytes) -> Foreseen | None:
    """Raises one of REFUSED_ERRORS."""
    check_signature(body, token)
    event = inbox.build_event(read_event(body))
    if event is not None and inbox.is_applied_at_once(event):
        return None
    return Foreseen(path, body, event)


def _foresee_report(path: str, token: str, body: bytes) -> Foreseen | None:
    """Raises one of REFUSED_ERRORS."""
    pk = path.removeprefix(REPORT_PREFIX).removesuffix(REPORT_SUFFIX)
    call_id = authorized_call_id(token, pk)
    if call_id is None or path != f"{REPORT_PREFIX}{pk}{REPORT_SUFFIX}":
        return None
    report = read_report_on(call_id, body)
    return Foreseen(path, body, report) if report.may_be_combined else None


@lru_cache(maxsize=64)
def _is_allowed_host(host: bytes) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)
