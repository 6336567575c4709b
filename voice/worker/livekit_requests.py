"""The two requests to LiveKit, and its signature, that work without the framework: for the
supervisor, which must be small, and outlive it.
"""

import base64
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from typing import Any

from voice.settings import Settings

TOKEN_SECONDS = 60
REQUEST_TIMEOUT_SECONDS = 3.0


def delete_room(settings: Settings, room: str) -> bool:
    """Delete a room. Returns whether it is gone, by this request or an earlier one."""
    url = f"{settings.livekit_url}/twirp/livekit.RoomService/DeleteRoom"
    token = make_token(settings, room)
    request = urllib.request.Request(  # noqa: S310  # the operator's own address
        url,
        data=json.dumps({"room": room}).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False


def is_sandbox(settings: Settings) -> bool:
    """Return whether the sandbox plays LiveKit: it carries no sound."""
    try:
        with urllib.request.urlopen(  # noqa: S310  # the operator's own address
            f"{settings.livekit_url}/_sandbox", timeout=REQUEST_TIMEOUT_SECONDS
        ) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def make_token(settings: Settings, room: str) -> str:
    """Return a token that may delete one room, for a minute."""
    return _sign(settings, {"video": {"roomCreate": True, "roomAdmin": True, "room": room}})


def sign_body(settings: Settings, body: bytes) -> str:
    """Return a token that says whose a body is, as LiveKit signs its webhooks."""
    digest = hashlib.sha256(body).digest()
    return _sign(settings, {"sha256": base64.b64encode(digest).decode()})


def _sign(settings: Settings, more: dict[str, Any]) -> str:
    """Return a JWT of a minute, signed with HS256."""
    now = int(time.time())
    claims = {
        "iss": settings.api_key,
        "sub": "voice-supervisor",
        "nbf": now - 5,
        "exp": now + TOKEN_SECONDS,
        **more,
    }
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{head}.{_encode(json.dumps(claims).encode())}"
    mac = hmac.new(settings.api_secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_encode(mac)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
