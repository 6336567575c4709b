"""LiveKit's webhooks and the agent's reports, sent over HTTP."""

import base64
import hashlib
import time
from http import HTTPStatus
from typing import Any

import jwt
import orjson
from django.conf import settings
from django.test import Client

from telephony.domain import report_tokens
from telephony.models import Call, InboxEvent
from telephony.services.inbox import apply_pending_events, inapplicable
from voiceops.core.ids import uuid7

MAX_WAIT_SECONDS = 5


def event(name: str, call: Call | str, **parts: Any) -> dict[str, Any]:
    """Return a webhook's body about the room of a call, or about a room by name.

    Other parts, as `participant={...}`, are added as given.
    """
    room = call.room if isinstance(call, Call) else call
    created = str(int(time.time()))
    return {
        "event": name,
        "id": f"EV_{uuid7().hex}",
        "createdAt": created,
        "room": {"name": room},
        **parts,
    }


def callee(call: Call, **fields: Any) -> dict[str, Any]:
    return {"identity": call.callee_identity, "kind": "SIP", **fields}


def token(body: bytes, **claims: Any) -> str:
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = {
        "iss": settings.LIVEKIT_API_KEY,
        "exp": int(time.time()) + 300,
        "sha256": sha256,
        **claims,
    }
    return jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")


def post(body: Any, **headers: str) -> Any:
    """Send a webhook as LiveKit does, and see to it that it is applied."""
    response = send(body, **headers)
    if response.status_code == HTTPStatus.OK:
        apply_pending_events()
        _wait_for_other_thread()
    return response


def _wait_for_other_thread() -> None:
    """Wait for the thread of `applying_events`, which may have claimed the event before us."""
    pending = InboxEvent.objects.filter(applied_at=None).exclude(pk__in=inapplicable.waiting())
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while pending.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
        apply_pending_events()


def send(body: Any, **headers: str) -> Any:
    """Send a webhook as LiveKit does; a given header replaces the valid one."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Client().post(
        "/livekit/webhook",
        data=raw,
        content_type="application/webhook+json",
        headers={"Authorization": token(raw), **headers},
    )


def reported(type: str, /, **data: Any) -> dict[str, Any]:
    """Return one event of a report."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"id": uuid7().hex, "type": type, "at": at, **data}


def report(call: Call, *events: dict[str, Any], body: Any = None, **headers: str) -> Any:
    """Send a report as the call's agent does; a given header replaces the valid one."""
    return Client().post(
        f"/calls/{call.pk}/report",
        data=orjson.dumps({"events": events} if body is None else body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {report_tokens.mint(call.pk)}", **headers},
    )
