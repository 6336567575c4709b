"""LiveKit's access tokens: verifies those of callers, signs those of webhooks and agent jobs."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

JWT_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


INVALID_CLAIMS = "invalid authorization token: token has invalid claims"
TOKEN_LEEWAY_SECONDS = 60.0  # simulated


class InvalidTokenError(Exception):
    """The plain text that LiveKit answers with status 401."""


@dataclass(frozen=True)
class Grants:
    """The grants in a caller's token; without a token there are none."""

    video: Mapping[str, Any] = field(default_factory=dict)
    sip: Mapping[str, Any] = field(default_factory=dict)
    identity: str = ""

    def is_room_admin(self, room: str) -> bool:
        return bool(self.video.get("roomAdmin")) and self.video.get("room") == room


def verify_token(authorization: str | None, *, key: str, secret: str, leeway: float) -> Grants:
    """Return the grants in an `Authorization` header; no header grants nothing (livekit auth.go).

    `leeway` is in seconds of the wall clock. Raises InvalidTokenError when the token is malformed,
    expired or not signed with the secret of `key`.
    """
    if not authorization:
        return Grants()
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidTokenError("invalid authorization header. Must start with Bearer ")
    claims = _verified_claims(token, key=key, secret=secret)
    _check_times(claims, leeway)
    return Grants(
        video=claims.get("video") or {},
        sip=claims.get("sip") or {},
        identity=claims.get("sub") or "",
    )


def _check_times(claims: dict[str, Any], leeway: float) -> None:
    """Raises InvalidTokenError when the token is expired, not valid yet or valid for ever."""
    now = time.time()
    if not isinstance(claims.get("exp"), int | float):
        raise InvalidTokenError("invalid authorization token: token has no expiry")
    if now > claims["exp"] + leeway:
        raise InvalidTokenError(f"{INVALID_CLAIMS}: token is expired")
    if now < (claims.get("nbf") or 0) - leeway:
        raise InvalidTokenError(f"{INVALID_CLAIMS}: token is not valid yet")


def _verified_claims(token: str, *, key: str, secret: str) -> dict[str, Any]:
    """Return the claims of a token with a valid signature.

    Every request carries a token, so this is written by hand for speed. Raises InvalidTokenError.
    """
    try:
        signed, _, signature = token.rpartition(".")
        head, body = signed.split(".")
        header, claims = orjson.loads(_decode(head)), orjson.loads(_decode(body))
        received = _decode(signature)
    except (ValueError, orjson.JSONDecodeError):
        raise InvalidTokenError("invalid authorization token: malformed token") from None
    if (
        not isinstance(claims, dict)
        or not isinstance(header, dict)
        or not _have_expected_types(claims)
    ):
        raise InvalidTokenError("invalid authorization token: malformed token")
    if claims.get("iss") != key:
        raise InvalidTokenError("invalid API key")
    # LiveKit looks up the key before it verifies, so a wrong key has its own message.
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    if header.get("alg") != "HS256" or not hmac.compare_digest(expected, received):
        raise InvalidTokenError("invalid authorization token: signature is invalid")
    return claims


def _have_expected_types(claims: dict[str, Any]) -> bool:
    """Whether `video`, `sip` and `nbf` have the expected types or are missing."""
    grants_are_objects = all(isinstance(claims.get(name) or {}, dict) for name in ("video", "sip"))
    return grants_are_objects and isinstance(claims.get("nbf") or 0, int | float)


def _decode(part: str) -> bytes:
    # JWTs omit the padding that base64 needs.
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def make_token(claims: Mapping[str, Any], *, key: str, secret: str, seconds: float) -> str:
    """Return a signed HS256 token that is valid for `seconds`.

    Every webhook needs one, so this is written by hand for speed.
    """
    now = int(time.time())
    body = orjson.dumps({**claims, "iss": key, "nbf": now, "exp": now + int(seconds)})
    signed = JWT_HEADER + b"." + base64.urlsafe_b64encode(body).rstrip(b"=")
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def body_hash(body: bytes) -> str:
    """Return the `sha256` claim of a webhook with this body."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
