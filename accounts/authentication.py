"""Who asks: an API key, a bearer JWT or the `access_token` cookie, in that order and without falling back.

A header that does not hold is 401 even beside a good cookie; otherwise a junk header would switch the Origin check off.
Each credential costs one query, which brings the user or key, the session, the workspace and the role.
"""

import uuid
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import F, FilteredRelation, Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts import keys, tokens
from accounts.access import Access, is_due
from accounts.models import ApiKey, Session, User
from accounts.roles import Role

ACCESS_COOKIE = "access_token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
BAD_TOKEN = "Invalid or missing token"  # noqa: S105 - the documented sentence


class ApiAuthentication(BaseAuthentication):
    """Fills `request.auth` with an Access. Raises AuthenticationFailed (401); foreign Origins with a cookie are 403."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Access] | None:
        access = self._by_header(request) or self._by_cookie(request)
        return access and (access.user or AnonymousUser(), access)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def _by_header(self, request: Request) -> Access | None:
        if (key := request.headers.get("X-API-Key")) is not None:
            return access_of_key(key, ip=ip_of(request))
        if (header := request.headers.get("Authorization")) is None:
            return None
        scheme, _, credential = header.strip().partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise AuthenticationFailed(BAD_TOKEN)
        if credential.startswith("vo_"):
            return access_of_key(credential, ip=ip_of(request))
        return access_of_token(credential, request=request)

    def _by_cookie(self, request: Request) -> Access | None:
        if not (token := request.COOKIES.get(ACCESS_COOKIE)):
            return None
        access = access_of_token(token, request=request, by_cookie=True)
        if request.method not in SAFE_METHODS:
            require_own_origin(request)
        return access


def access_of_key(key: str, *, ip: str | None) -> Access:
    """Raises AuthenticationFailed `Invalid API key` for a key that is unknown, revoked or expired."""
    now = timezone.now()
    prefix = keys.prefix_of(key)
    row = prefix and ApiKey.unscoped.select_related("workspace").filter(prefix=prefix).first()
    if not row or not keys.is_same(key, row.key_hash):
        raise AuthenticationFailed("Invalid API key")
    if row.revoked_at or (row.expires_at and row.expires_at <= now):
        raise AuthenticationFailed("Invalid API key")
    if is_due(row.last_used_at, now):
        ApiKey.unscoped.filter(pk=row.pk, last_used_at=row.last_used_at).update(last_used_at=now)
    return Access(key=row, workspace=row.workspace, role=Role(row.role), ip=ip)


def access_of_token(token: str, *, request: Request, by_cookie: bool = False) -> Access:
    """Judged in the documented order: signature, `exp`, user, session. Raises AuthenticationFailed."""
    try:
        claims = tokens.read(token)
    except tokens.ExpiredTokenError as error:
        raise AuthenticationFailed("Token expired") from error
    except tokens.BadTokenError as error:
        raise AuthenticationFailed(BAD_TOKEN) from error
    session = claims.session_id and _load_session(claims.session_id, request.headers.get("X-Workspace-ID"))
    user = session.user if session else User.objects.filter(pk=claims.user_id).first()
    if user is None or user.pk != claims.user_id or not user.is_active:
        raise AuthenticationFailed("User not found")
    live = session and session.revoked_at is None and session.expires_at > timezone.now()
    if not session or not live or claims.kind != tokens.ACCESS:
        raise AuthenticationFailed(BAD_TOKEN)
    membership: Any = getattr(session, "seat", None)
    return Access(
        user=user,
        session=session,
        workspace=membership.workspace if membership else None,
        role=Role(membership.role) if membership else None,
        ip=ip_of(request),
        by_cookie=by_cookie,
    )


def _load_session(session_id: uuid.UUID, wanted: str | None) -> Session | None:
    """The session with its user and, as `seat`, the membership of the workspace asked for, in one query."""
    if wanted is None:
        asked = Q(user__memberships__workspace_id=F("user__default_workspace_id"))
    else:
        asked = Q(user__memberships__workspace_id=_uuid_or_none_such(wanted))
    rows = Session.objects.annotate(seat=FilteredRelation("user__memberships", condition=asked))
    return rows.select_related("user", "seat__workspace").filter(pk=session_id).first()


def _uuid_or_none_such(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)


def require_own_origin(request: Request | HttpRequest) -> None:
    """Refuse an unsafe request that a foreign page made the browser send. Raises PermissionDenied (403).

    Browsers send `Origin` with every unsafe request; where it is missing, `Sec-Fetch-Site` tells.
    Programs send neither.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
    else:
        own = f"{request.scheme}://{request.get_host()}"
        foreign = origin not in (own, _origin_of(settings.PUBLIC_URL), *settings.TRUSTED_ORIGINS)
    if foreign:
        raise PermissionDenied("Origin not allowed")


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def ip_of(request: Request | HttpRequest) -> str | None:
    """The peer's address. Forwarding headers are not believed: anybody can send them."""
    return request.META.get("REMOTE_ADDR") or None
