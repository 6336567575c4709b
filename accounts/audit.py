"""Who did what: one row for everything a person may later be asked about.

    audit.record("api_key.created", target=key, access=request.auth, changes={"role": "member"})

`changes` holds names and new values, never a secret.
"""

from typing import Any

from django.db import models

from accounts.auth.principal import Principal
from accounts.models import AuditEntry, User, Workspace

ActorType = AuditEntry.ActorType


def record(
    action: str,
    *,
    principal: Principal | None = None,
    target: models.Model | None = None,
    changes: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write that `access` (nobody: the system itself) did `action` to `target` in the workspace of
    the request.
    """
    principal = principal or Principal()
    return AuditEntry.unscoped.create(
        workspace=principal.workspace,
        **_actor(principal),
        action=action,
        object_type=str(target._meta.model_name) if target else "",
        object_id=str(target.pk) if target else "",
        ip=principal.ip,
        changes=changes or {},
    )


def user_principal(
    user: User, *, workspace: Workspace | None = None, ip: str | None = None
) -> Principal:
    """Somebody who is only just logging in, and so has no request's Access yet."""
    return Principal(user=user, workspace=workspace or user.default_workspace, ip=ip)


def _actor(principal: Principal) -> dict[str, Any]:
    if principal.key is not None:
        return {
            "actor_type": ActorType.API_KEY,
            "actor_id": principal.key.pk,
            "actor_name": str(principal.key),
        }
    if principal.user is not None:
        return {
            "actor_type": ActorType.USER,
            "actor_id": principal.user.pk,
            "actor_name": principal.user.email,
        }
    return {"actor_type": ActorType.SYSTEM}
