"""Access and refresh tokens: short JWTs that name a user and a session.

The session's row decides whether a token is accepted; the token itself only identifies it.
"""

import hashlib
import hmac
import math
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.settings import api_settings

from accounts.auth.api_keys import digest

INVALID_TOKEN = "Invalid or missing token"  # noqa: S105 - the documented message, not a secret
NO_ID = uuid.UUID(int=0)
ACCESS = "access"
REFRESH = "refresh"
ACCESS_SECONDS = int(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds())
MAX_VERIFIED = 500  # tokens that a process need not verify again
REFRESH_SECONDS = int(api_settings.REFRESH_TOKEN_LIFETIME.total_seconds())


class InvalidTokenError(Exception):
    """The token was not issued here, or it is damaged."""


class ExpiredTokenError(InvalidTokenError):
    """The token was issued here, but is past its `exp`."""


@dataclass(frozen=True)
class Claims:
    """`user_id` and `session_id` are NO_ID where the token names none, or something else."""

    user_id: uuid.UUID
    session_id: uuid.UUID
    kind: str | None


def issue_token(
    kind: str, *, user_id: uuid.UUID, session_id: uuid.UUID, now: datetime, successor_of: str = ""
) -> str:
    """Return a signed token of that kind.

    No two tokens are equal (`jti`), so that each refresh token can be spent once. A token that
    succeeds a spent one, named by its hash, is the same each time it is issued for one `now`.
    """
    lifetime = ACCESS_SECONDS if kind == ACCESS else REFRESH_SECONDS
    # There is no `iat`: a web server with a slow clock would refuse tokens of the others.
    claims = {
        "sub": str(user_id),
        "sid": str(session_id),
        "typ": kind,
        "exp": int(now.timestamp()) + lifetime,
        "jti": _successor_id(kind, successor_of) if successor_of else uuid.uuid4().hex,
    }
    return str(_backend().encode(claims))


def _successor_id(kind: str, spent_hash: str) -> str:
    """An id that only this server can compute, although it follows from the spent token."""
    message = f"{kind}.{spent_hash}".encode()
    return hmac.new(settings.JWT_API_SECRET.encode(), message, hashlib.sha256).hexdigest()[:32]


def decode_token(token: str, *, allow_expired: bool = False) -> Claims:
    """Verify a token and return its claims.

    Raises InvalidTokenError when it does not verify, ExpiredTokenError when it does and has
    expired. The caller finds the rows: the user first, then the session
    (docs/reference/api-contract.md §4).
    """
    try:
        claims = _decode(token)
    except ExpiredTokenError:
        if not allow_expired:
            raise
        # The stubs want bytes; the signature did verify.
        claims = _backend().decode(token, verify=False)  # type: ignore[arg-type]
    if not isinstance(claims, dict) or "exp" not in claims:
        raise InvalidTokenError
    return Claims(as_uuid(claims.get("sub")), as_uuid(claims.get("sid")), claims.get("typ"))


def hash_token(token: str) -> str:
    """Return what is stored of a refresh token."""
    return digest(token)


def refresh_expiry(now: datetime) -> datetime:
    """Return when a refresh token issued now expires."""
    return datetime.fromtimestamp(int(now.timestamp()) + REFRESH_SECONDS, tz=UTC)


def as_uuid(text: object) -> uuid.UUID:
    """Return the UUID, or NO_ID for anything else, so that a query by it finds nothing."""
    try:
        return uuid.UUID(text) if isinstance(text, str) else NO_ID
    except ValueError:
        return NO_ID


def _decode(token: str) -> Any:
    """Verify against the current secret, then against those that were replaced lately.

    Raises InvalidTokenError, ExpiredTokenError.
    """
    for secret in (settings.JWT_API_SECRET, *settings.JWT_API_SECRET_FALLBACKS):
        try:
            claims = _verify(token, secret)
        except TokenBackendExpiredToken as error:  # raised only after its signature verified
            raise ExpiredTokenError from error
        except TokenBackendError:
            continue
        if isinstance(claims, dict) and claims.get("exp", math.inf) <= time.time():
            raise ExpiredTokenError
        return claims
    raise InvalidTokenError


@lru_cache(maxsize=MAX_VERIFIED)
def _verify(token: str, secret: str) -> Any:
    """Return the claims of a token that this secret has signed.

    Whether the signature is right never changes, and verifying it takes a tenth of a request.
    """
    # The stubs want bytes.
    return _backend(secret).decode(token)  # type: ignore[arg-type]


def _backend(secret: str = "") -> TokenBackend:
    return TokenBackend("HS256", secret or settings.JWT_API_SECRET, leeway=0)
