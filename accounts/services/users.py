"""Changes users make to their own account."""

from collections.abc import Mapping
from typing import Any

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import User
from voiceops.core.errors import NotFound


def update_user(*, user: User, changes: Mapping[str, Any], principal: Principal) -> None:
    """Change the user's own name or default workspace.

    Raises NotFound when the user is not a member of the new default workspace.
    """
    default_id = changes.get("default_workspace_id", user.default_workspace_id)
    is_unchanged = default_id == user.default_workspace_id
    if not is_unchanged and not user.memberships.filter(workspace=default_id).exists():
        raise NotFound("Workspace not found")
    for name, value in changes.items():
        setattr(user, name, value)
    user.save(update_fields=list(changes))
    if changes:
        audit.record(
            "user.updated",
            principal=principal,
            target=user,
            changes={"fields": sorted(changes)},
        )
