"""Access and refresh tokens: short JWTs that name a user and a session row, which is what really lives and dies."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.settings import api_settings

from accounts.keys import digest

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
    user_id: uuid.UUID | None
    session_id: uuid.UUID | None
    kind: str | None


def issue(kind: str, *, user_id: uuid.UUID, session_id: uuid.UUID, now: datetime) -> str:
    """A signed token of that kind; every one is different (`jti`), so that each refresh token can be spent once."""
    seconds = ACCESS_SECONDS if kind == ACCESS else REFRESH_SECONDS
    start = int(now.timestamp())
    claims = {"sub": str(user_id), "sid": str(session_id), "typ": kind, "iat": start, "exp": start + seconds}
    return str(_backend().encode({**claims, "jti": uuid.uuid4().hex}))


def read(token: str) -> Claims:
    """What a token says. Raises BadTokenError when it does not verify, ExpiredTokenError when it did and is over.

    Claims that are missing or no UUIDs are null: the caller judges user before session (api-contract.md section 4).
    """
    try:
        claims: dict[str, Any] = _backend().decode(token)  # type: ignore[arg-type]  # text, whatever its annotation says
    except TokenBackendExpiredToken as error:
        raise ExpiredTokenError from error
    except TokenBackendError as error:
        raise BadTokenError from error
    if not isinstance(claims, dict) or "exp" not in claims:
        raise BadTokenError
    return Claims(_uuid(claims.get("sub")), _uuid(claims.get("sid")), claims.get("typ"))


def hash_of(token: str) -> str:
    return digest(token)


def expiry_of_refresh(now: datetime) -> datetime:
    return datetime.fromtimestamp(int(now.timestamp()) + REFRESH_SECONDS, tz=UTC)


def _backend() -> TokenBackend:
    return TokenBackend("HS256", settings.JWT_API_SECRET, leeway=0)


def _uuid(claim: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(claim) if isinstance(claim, str) else None
    except ValueError:
        return None
