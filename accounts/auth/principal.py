from dataclasses import dataclass
from datetime import datetime

from accounts.models import ApiKey, Session, User, Workspace
from accounts.roles import Role


@dataclass(frozen=True)
class Principal:
    """Who asks, and what they may do where. Every authenticated request carries one as
    `request.auth`.

    Exactly one of `user` and `key` is set. `workspace` and `role` are null when the caller is no
    member of the workspace asked for (or of any).
    """

    user: User | None = None
    key: ApiKey | None = None
    session: Session | None = None
    workspace: Workspace | None = None
    role: Role | None = None
    ip: str | None = None
    by_cookie: bool = False

    @property
    def scope(self) -> str:
        """A stable name of the caller, for what is remembered per caller."""
        return f"key:{self.key.pk}" if self.key else f"user:{self.user.pk if self.user else None}"


def is_last_use_stale(last_used_at: datetime | None, now: datetime, seconds: int = 60) -> bool:
    """Whether a key's last use is old enough to be written again: at most one write a minute."""
    return last_used_at is None or (now - last_used_at).total_seconds() >= seconds


def is_still_valid(principal: Principal, *, now: datetime) -> bool:
    """Whether who was let in a while ago would be again: not logged out, not removed, key not
    revoked.
    """
    if principal.key is not None:
        key = ApiKey.unscoped.select_related("created_by").filter(pk=principal.key.pk).first()
        return key is not None and key.is_usable(now=now, ip=principal.ip)
    sessions = Session.objects.filter(
        user=principal.user, user__is_active=True, revoked_at=None, expires_at__gt=now
    )
    here = sessions.filter(user__memberships__workspace=principal.workspace)
    return principal.session is not None and here.filter(pk=principal.session.pk).exists()
