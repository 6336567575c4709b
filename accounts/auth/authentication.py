"""Authenticates requests: by API key, bearer JWT or `access_token` cookie, in this order.

There is no falling back: an invalid header is 401 even beside a valid cookie, because a junk header
would otherwise switch the check of `Origin` off. Each credential costs one query, which loads the
user or key, the session, the workspace and the role.
"""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import CharField, F, FilteredRelation, Q, QuerySet, UUIDField
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.auth import api_keys, tokens
from accounts.auth.principal import Principal, is_last_use_stale
from accounts.models import ApiKey, Membership, Session, User
from accounts.roles import Role
from voiceops.db.compiled_query import CompiledQuery

ACCESS_COOKIE = "access_token"


class ApiAuthentication(BaseAuthentication):
    """Sets `request.auth` to a Principal."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Principal] | None:
        """Return user and principal; None without credentials. Raises AuthenticationFailed."""
        principal = self._by_header(request) or self._by_cookie(request)
        if principal is None:
            return None
        return principal.user or AnonymousUser(), principal

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 response."""
        return "Bearer"

    def _by_header(self, request: Request) -> Principal | None:
        if (key := request.headers.get("X-API-Key")) is not None:
            return authenticate_key(key, ip=client_ip(request))
        if (header := request.headers.get("Authorization")) is None:
            return None

        scheme, _, credential = header.strip().partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            raise AuthenticationFailed(tokens.INVALID_TOKEN)
        # The prefix distinguishes an API key from a JWT.
        if credential.startswith("vo_"):
            return authenticate_key(credential, ip=client_ip(request))
        return authenticate_token(credential, request=request)

    def _by_cookie(self, request: Request) -> Principal | None:
        if not (token := request.COOKIES.get(ACCESS_COOKIE)):
            return None
        return authenticate_token(token, request=request, by_cookie=True)


def authenticate_key(key: str, *, ip: str | None) -> Principal:
    """Return the principal of an API key.

    Raises AuthenticationFailed with one message for every reason: a thief does not learn whether
    the key is unknown or only used from the wrong address.
    """
    now = timezone.now()
    prefix = api_keys.prefix_of(key)
    row = KEY_QUERY.first(prefix=prefix) if prefix else None
    if not row or not api_keys.matches_hash(key, row.key_hash) or not row.is_usable(now=now, ip=ip):
        raise AuthenticationFailed("Invalid API key")
    # The condition on the old value keeps parallel requests from all writing it.
    if is_last_use_stale(row.last_used_at, now):
        ApiKey.unscoped.filter(pk=row.pk, last_used_at=row.last_used_at).update(last_used_at=now)
    return Principal(key=row, workspace=row.workspace, role=Role(row.role), ip=ip)


def authenticate_token(token: str, *, request: Request, by_cookie: bool = False) -> Principal:
    """Return the principal of an access token, in the workspace that the request asks for.

    Raises AuthenticationFailed. Signature, `exp`, user and session are checked in this order, which
    is documented (docs/reference/api-contract.md §4).
    """
    try:
        claims = tokens.decode_token(token)
    except tokens.ExpiredTokenError as error:
        raise AuthenticationFailed("Token expired") from error
    except tokens.InvalidTokenError as error:
        raise AuthenticationFailed(tokens.INVALID_TOKEN) from error

    # Users without a membership of that workspace are still found, for routes that need none.
    membership = _load_membership(claims, request.headers.get("X-Workspace-ID"))
    if membership is not None:
        user: User | None = membership.user
    else:
        user = User.objects.filter(pk=claims.user_id).first()
    if user is None or not user.is_active:
        raise AuthenticationFailed("User not found")

    session = _session_of(claims, user, membership)
    if claims.kind != tokens.ACCESS or session is None or not session.is_live(timezone.now()):
        raise AuthenticationFailed(tokens.INVALID_TOKEN)
    return Principal(
        user=user,
        session=session,
        workspace=membership.workspace if membership else None,
        role=Role(membership.role) if membership else None,
        ip=client_ip(request),
        by_cookie=by_cookie,
    )


def client_ip(request: Request | HttpRequest) -> str | None:
    """Return the peer's address. Forwarding headers are ignored here, because anyone can send them.

    Those of trusted proxies are applied before (voiceops.api.request_context).
    """
    return request.META.get("REMOTE_ADDR") or None


def _keys_of_prefix(prefix: Any) -> QuerySet[ApiKey]:
    return ApiKey.unscoped.select_related("workspace", "created_by").filter(prefix=prefix)


def _memberships(user_id: Any, session_id: Any, workspace_id: Any) -> QuerySet[Membership]:
    """The membership, with its user and workspace, and the session as `login`."""
    login = FilteredRelation("user__sessions", condition=Q(user__sessions__id=session_id))
    related = ("user", "workspace", "login")  # a filtered relation is selected like a foreign key
    rows = Membership.unscoped.annotate(login=login).select_related(*related)
    return rows.filter(user=user_id, workspace=workspace_id)


def _default_memberships(user_id: Any, session_id: Any) -> QuerySet[Membership]:
    return _memberships(user_id, session_id, F("user__default_workspace_id"))


# Every request runs one of these. Each reads the database: what was revoked is refused at once.
KEY_QUERY = CompiledQuery(_keys_of_prefix, prefix=CharField())
MEMBERSHIP_QUERY = CompiledQuery(
    _memberships, user_id=UUIDField(), session_id=UUIDField(), workspace_id=UUIDField()
)
DEFAULT_MEMBERSHIP_QUERY = CompiledQuery(
    _default_memberships, user_id=UUIDField(), session_id=UUIDField()
)


def _load_membership(claims: tokens.Claims, workspace_id: str | None) -> Membership | None:
    """Load the user's membership of the workspace, or of their default one, in one query.

    Its user and workspace come with it, and the token's session as `login`.
    """
    login = {"user_id": claims.user_id, "session_id": claims.session_id}
    if workspace_id is None:
        return DEFAULT_MEMBERSHIP_QUERY.first(**login)
    return MEMBERSHIP_QUERY.first(**login, workspace_id=tokens.as_uuid(workspace_id))


def _session_of(claims: tokens.Claims, user: User, membership: Membership | None) -> Session | None:
    if membership is not None:
        return getattr(membership, "login", None)
    return user.sessions.filter(pk=claims.session_id).first()
