"""Access and refresh tokens: short JWTs that name a user and a session row, which is what really
lives and dies.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.settings import api_settings

from accounts.auth.api_keys import digest

NOBODY = uuid.UUID(int=0)
ACCESS, REFRESH = "access", "refresh"
ACCESS_SECONDS, REFRESH_SECONDS = (
    int(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
    int(api_settings.REFRESH_TOKEN_LIFETIME.total_seconds()),
)


class BadTokenError(Exception):
    """No token of ours, or of the wrong kind."""


class ExpiredTokenError(BadTokenError):
    """Ours, but past its `exp`."""


@dataclass(frozen=True)
class Claims:
    """`user_id` and `session_id` are NOBODY where the token names none (or no UUID)."""

    user_id: uuid.UUID
    session_id: uuid.UUID
    kind: str | None


def issue(kind: str, *, user_id: uuid.UUID, session_id: uuid.UUID, now: datetime) -> str:
    """A signed token of that kind; every one is different (`jti`), so that each refresh token can
    be spent once.
    """
    seconds = ACCESS_SECONDS if kind == ACCESS else REFRESH_SECONDS
    start = int(now.timestamp())
    # No `iat`: a web server whose clock is a little behind would refuse the token of another.
    claims = {"sub": str(user_id), "sid": str(session_id), "typ": kind, "exp": start + seconds}
    return str(_backend().encode({**claims, "jti": uuid.uuid4().hex}))


def read(token: str, *, even_expired: bool = False) -> Claims:
    """What a token says. Raises BadTokenError when it does not verify, ExpiredTokenError when it
    did and is over.

    What it names is for the caller to look up: user before session (api-contract.md section 4).
    """
    try:
        claims = _decode(token)
    except ExpiredTokenError:
        if not even_expired:
            raise
        claims = _backend().decode(token, verify=False)  # type: ignore[arg-type]  # its signature did verify
    if not isinstance(claims, dict) or "exp" not in claims:
        raise BadTokenError
    return Claims(as_uuid(claims.get("sub")), as_uuid(claims.get("sid")), claims.get("typ"))


def _decode(token: str) -> dict[str, Any]:
    """Signed with today's secret, or one that was it until lately. Raises BadTokenError,
    ExpiredTokenError.
    """
    for secret in (settings.JWT_API_SECRET, *settings.JWT_API_SECRET_FALLBACKS):
        try:
            claims: dict[str, Any] = _backend(secret).decode(token)  # type: ignore[arg-type]  # text, whatever it says
        except TokenBackendExpiredToken as error:  # of which the signature was judged first
            raise ExpiredTokenError from error
        except TokenBackendError:
            continue
        return claims
    raise BadTokenError


def hash_of(token: str) -> str:
    return digest(token)


def expiry_of_refresh(now: datetime) -> datetime:
    return datetime.fromtimestamp(int(now.timestamp()) + REFRESH_SECONDS, tz=UTC)


def _backend(secret: str = "") -> TokenBackend:
    return TokenBackend("HS256", secret or settings.JWT_API_SECRET, leeway=0)


def as_uuid(text: object) -> uuid.UUID:
    """NOBODY for what is no UUID, so that a look-up by it finds nothing."""
    try:
        return uuid.UUID(text) if isinstance(text, str) else NOBODY
    except ValueError:
        return NOBODY
