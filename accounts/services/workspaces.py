"""Workspaces: creating, changing and deleting them."""

from collections.abc import Callable
from typing import Any, TypeAlias

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import User, Workspace
from accounts.roles import Role
from accounts.services.members import reset_default_workspace, set_default_if_none
from voiceops.core import task_queue
from voiceops.core.errors import StateForbids
from voiceops.core.extension_points import ExtensionPoint
from voiceops.core.statement_timeouts import disable_statement_timeout

# Limits that decide when recipients may be called.
SCHEDULING_FIELDS = {
    "calling_window",
    "calling_profile",
    "holidays_country",
    "min_gap_minutes",
    "timezone",
    "unknown_zone",
}

# Decide when the budget of a day is spent.
BUDGET_FIELDS = {"max_cost_per_day", "timezone"}

SchedulingHook: TypeAlias = Callable[[Workspace], None]
SCHEDULING_HOOKS: ExtensionPoint[SchedulingHook] = ExtensionPoint("hooks of a changed schedule")


def create_workspace(*, name: str, user: User, ip: str | None = None, **limits: Any) -> Workspace:
    """Create a workspace whose admin is `user`. It becomes their default if they have none."""
    if "min_gap_minutes" in limits:
        limits["min_gap_is_default"] = False
    with transaction.atomic():
        workspace = Workspace.unscoped.create(name=name, **limits)
        workspace.memberships.create(user=user, role=Role.ADMIN)
        set_default_if_none(user, workspace)
        principal = Principal.for_user(user, workspace=workspace, ip=ip)
        audit.record(
            "workspace.created", principal=principal, target=workspace, changes={"name": name}
        )
    return workspace


def update_workspace(
    *, workspace: Workspace, principal: Principal, changes: dict[str, Any]
) -> None:
    """Change the workspace's name or limits; the limits apply to all its batches at once."""
    with transaction.atomic():
        # A client may send back the whole body, without meaning to choose a gap.
        gap_before = workspace.min_gap_minutes
        for name, value in changes.items():
            setattr(workspace, name, value)
        if workspace.min_gap_minutes != gap_before:
            workspace.min_gap_is_default = False
        if changes.keys() & BUDGET_FIELDS:
            # Counted again at the next claim.
            workspace.budget_spent_until = None
        workspace.save(update_fields=[*changes, "min_gap_is_default", "budget_spent_until"])
        audit.record("workspace.updated", principal=principal, target=workspace, changes=changes)
        if changes.keys() & SCHEDULING_FIELDS:
            for apply_schedule in SCHEDULING_HOOKS.all():
                apply_schedule(workspace)
        elif changes.keys() & BUDGET_FIELDS:
            task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)


def delete_workspace(*, workspace: Workspace, principal: Principal) -> None:
    """Delete a workspace with everything in it.

    Raises StateForbids while it has rows that represent something outside, such as a number.
    """
    with transaction.atomic():
        workspace.lock()
        _require_deletable(workspace)
        users_without_default = list(User.objects.filter(default_workspace=workspace))
        # The rows of a large customer take longer than a request may.
        disable_statement_timeout()
        audit.record(
            "workspace.deleted",
            principal=principal,
            target=workspace,
            changes={"name": workspace.name},
        )
        workspace.delete()
        for user in users_without_default:
            reset_default_workspace(user)


def _require_deletable(workspace: Workspace) -> None:
    # Tables of all apps, found by their relation to the workspace.
    for relation in workspace._meta.related_objects:
        model = relation.related_model
        if not getattr(model, "keeps_workspace", False):
            continue
        if model._default_manager.filter(workspace=workspace).exists():
            raise StateForbids(f"Workspace still has {model._meta.verbose_name_plural}")
