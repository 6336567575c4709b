"""LiveKit's access tokens: verifying those of the API's callers, making those of webhooks and agent jobs."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
import orjson

HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


class BadTokenError(Exception):
    """The text LiveKit answers in plain with its 401."""


@dataclass(frozen=True)
class Grants:
    """What the caller's token allows; empty without a token."""

    video: Mapping[str, Any] = field(default_factory=dict)
    sip: Mapping[str, Any] = field(default_factory=dict)
    identity: str = ""

    def room_admin(self, room: str) -> bool:
        return bool(self.video.get("roomAdmin")) and self.video.get("room") == room


def read_token(authorization: str | None, *, key: str, secret: str, leeway: float) -> Grants:
    """Grants of an `Authorization` header. Raises BadTokenError; no header at all grants nothing (livekit auth.go)."""
    if not authorization:
        return Grants()
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise BadTokenError("invalid authorization header. Must start with Bearer ")
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        if issuer != key:
            raise BadTokenError("invalid API key")
        claims = jwt.decode(token, secret, algorithms=["HS256"], leeway=leeway, options={"require": ["exp"]})
    except jwt.PyJWTError as error:
        raise BadTokenError(f"invalid authorization token: {error}") from error
    return Grants(video=claims.get("video") or {}, sip=claims.get("sip") or {}, identity=claims.get("sub") or "")


def make_token(claims: Mapping[str, Any], *, key: str, secret: str, seconds: float) -> str:
    """A signed HS256 token. By hand, because one is made for every webhook."""
    now = int(time.time())
    body = orjson.dumps({**claims, "iss": key, "nbf": now, "exp": now + int(seconds)})
    signed = HEADER + b"." + base64.urlsafe_b64encode(body).rstrip(b"=")
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def body_hash(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
