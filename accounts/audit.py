"""The audit log: one row for everything that may later have to be explained.

    audit.record("api_key.created", principal=principal, target=key, changes={"role": "member"})

`changes` holds names and new values, never a secret.
"""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from accounts.auth.principal import Principal
from accounts.models import AuditEntry
from voiceops.db.compiled_writes import insert_rows

ActorType = AuditEntry.ActorType
# Of one entry that needs no credentials, such as a failed login, by address and target.
MAX_REPEATS = 10
REPEAT_INTERVAL = timedelta(minutes=15)


def record(
    action: str,
    *,
    principal: Principal | None = None,
    target: models.Model | None = None,
    changes: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write that `principal` did `action` to `target`, and return the entry.

    The entry belongs to the workspace of the request. Without a principal the system itself acted,
    in the workspace that owns the target.
    """
    workspace_id = getattr(target, "workspace_id", None)
    if principal is not None:
        workspace_id = principal.workspace.pk if principal.workspace else None
    entry = AuditEntry(
        workspace_id=workspace_id,
        **_actor(principal or Principal()),
        action=action,
        object_type=str(target._meta.model_name) if target else "",
        object_id=str(target.pk) if target else "",
        ip=principal.ip if principal else None,
        changes=changes or {},
    )
    insert_rows([entry])
    return entry


def is_repeated(action: str, *, principal: Principal, target: models.Model | None) -> bool:
    """Whether a stranger has caused this entry MAX_REPEATS times lately: about the target, or from
    the address where there is none. Then it is not written again, so that strangers can fill
    neither the log nor a mailbox.
    """
    lately = AuditEntry.unscoped.filter(
        workspace=principal.workspace, at__gt=timezone.now() - REPEAT_INTERVAL, action=action
    )
    of_caller = lately.filter(ip=principal.ip)
    same = of_caller.filter(object_id=str(target.pk) if target else "")
    return same.count() >= MAX_REPEATS


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
