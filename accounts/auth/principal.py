from dataclasses import dataclass
from datetime import datetime
from typing import Self

from accounts.models import ApiKey, Session, User, Workspace
from accounts.roles import Role

LAST_USE_WRITE_SECONDS = 60  # at most one write a minute for a key in steady use


@dataclass(frozen=True)
class Principal:
    """Who makes a request, and with which role in which workspace.

    Every authenticated request carries one as `request.auth`, with exactly one of `user` and `key`
    set. `workspace` and `role` are None when the principal is not a member of the workspace asked
    for, or of any.
    """

    user: User | None = None
    key: ApiKey | None = None
    session: Session | None = None
    workspace: Workspace | None = None
    role: Role | None = None
    ip: str | None = None
    by_cookie: bool = False

    @classmethod
    def for_user(
        cls, user: User, *, workspace: Workspace | None = None, ip: str | None = None
    ) -> Self:
        """Return the principal of a user who is not authenticated yet, for the audit log.

        The workspace defaults to the user's default workspace.
        """
        return cls(user=user, workspace=workspace or user.default_workspace, ip=ip)

    @property
    def scope(self) -> str:
        """A stable name of the principal, for rows and counters that belong to it."""
        if self.key is not None:
            return f"key:{self.key.pk}"
        return f"user:{self.user.pk if self.user else None}"


def is_last_use_stale(last_used_at: datetime | None, now: datetime) -> bool:
    """Whether a key's `last_used_at` is old enough to be written again."""
    if last_used_at is None:
        return True
    return (now - last_used_at).total_seconds() >= LAST_USE_WRITE_SECONDS


def is_still_valid(principal: Principal, *, now: datetime) -> bool:
    """Whether a principal authenticated earlier would be let in again.

    False after a logout, after the user was removed from the workspace, and for a revoked key.
    """
    if principal.key is not None:
        key = ApiKey.unscoped.select_related("created_by").filter(pk=principal.key.pk).first()
        return key is not None and key.is_usable(now=now, ip=principal.ip)
    if principal.session is None:
        return False
    sessions = Session.objects.filter(
        user=principal.user, user__is_active=True, revoked_at=None, expires_at__gt=now
    )
    # A user may have been removed from the workspace while the session goes on.
    in_workspace = sessions.filter(user__memberships__workspace=principal.workspace)
    return in_workspace.filter(pk=principal.session.pk).exists()
