"""Who asks: an API key, a bearer JWT or the `access_token` cookie, in that order and without
falling back.

A header that does not hold is 401 even beside a good cookie; otherwise a junk header would switch
the Origin check off. Each credential costs one query, which brings the user or key, the session,
the workspace and the role.
"""

from django.contrib.auth.models import AnonymousUser
from django.db.models import F, FilteredRelation, Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.auth import api_keys, tokens
from accounts.auth.principal import Principal, is_last_use_stale
from accounts.models import ApiKey, Membership, User
from accounts.roles import Role

ACCESS_COOKIE = "access_token"
BAD_TOKEN = "Invalid or missing token"  # noqa: S105 - the documented sentence


class ApiAuthentication(BaseAuthentication):
    """Fills `request.auth` with an Access. Raises AuthenticationFailed (401)."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Principal] | None:
        principal = self._by_header(request) or self._by_cookie(request)
        return (principal.user or AnonymousUser(), principal) if principal else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def _by_header(self, request: Request) -> Principal | None:
        if (key := request.headers.get("X-API-Key")) is not None:
            return authenticate_key(key, ip=client_ip(request))
        if (header := request.headers.get("Authorization")) is None:
            return None
        scheme, _, credential = header.strip().partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise AuthenticationFailed(BAD_TOKEN)
        if credential.startswith("vo_"):
            return authenticate_key(credential, ip=client_ip(request))
        return authenticate_token(credential, request=request)

    def _by_cookie(self, request: Request) -> Principal | None:
        if not (token := request.COOKIES.get(ACCESS_COOKIE)):
            return None
        return authenticate_token(token, request=request, by_cookie=True)


def authenticate_key(key: str, *, ip: str | None) -> Principal:
    """Raises AuthenticationFailed: a thief is not told whether the key is unknown or the place is
    wrong.
    """
    now = timezone.now()
    prefix = api_keys.prefix_of(key)
    row = (
        prefix
        and ApiKey.unscoped.select_related("workspace", "created_by").filter(prefix=prefix).first()
    )
    if not row or not api_keys.is_same(key, row.key_hash) or not row.is_usable(now=now, ip=ip):
        raise AuthenticationFailed("Invalid API key")
    if is_last_use_stale(row.last_used_at, now):
        ApiKey.unscoped.filter(pk=row.pk, last_used_at=row.last_used_at).update(last_used_at=now)
    return Principal(key=row, workspace=row.workspace, role=Role(row.role), ip=ip)


def authenticate_token(token: str, *, request: Request, by_cookie: bool = False) -> Principal:
    """Judged in the documented order: signature, `exp`, user, session. Raises AuthenticationFailed."""
    try:
        claims = tokens.read(token)
    except tokens.ExpiredTokenError as error:
        raise AuthenticationFailed("Token expired") from error
    except tokens.BadTokenError as error:
        raise AuthenticationFailed(BAD_TOKEN) from error
    seat = _load_membership(claims, request.headers.get("X-Workspace-ID"))
    user = seat.user if seat else User.objects.filter(pk=claims.user_id).first()
    if user is None or not user.is_active:
        raise AuthenticationFailed("User not found")
    session = (
        getattr(seat, "login", None) if seat else user.sessions.filter(pk=claims.session_id).first()
    )
    if claims.kind != tokens.ACCESS or not (session and session.is_live(timezone.now())):
        raise AuthenticationFailed(BAD_TOKEN)
    return Principal(
        user=user,
        session=session,
        workspace=seat.workspace if seat else None,
        role=Role(seat.role) if seat else None,
        ip=client_ip(request),
        by_cookie=by_cookie,
    )


def _load_membership(claims: tokens.Claims, wanted: str | None) -> Membership | None:
    """In one query the membership of the workspace asked for, its user and workspace, and their
    session as `login`.
    """
    asked = F("user__default_workspace_id") if wanted is None else tokens.as_uuid(wanted)
    login = FilteredRelation("user__sessions", condition=Q(user__sessions__id=claims.session_id))
    related = ("user", "workspace", "login")  # a filtered relation is followed like a foreign key
    rows = Membership.unscoped.annotate(login=login).select_related(*related)
    return rows.filter(user=claims.user_id, workspace=asked).first()


def client_ip(request: Request | HttpRequest) -> str | None:
    """The peer's address. Forwarding headers are not believed: anybody can send them."""
    return request.META.get("REMOTE_ADDR") or None
