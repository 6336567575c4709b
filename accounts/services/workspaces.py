from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Access
from accounts.models import User, Workspace
from accounts.roles import Role
from accounts.services.members import _move_home, _settle_default
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids
from voiceops.core.statement_timeouts import take_time

WHEN = {"calling_window", "holidays_country", "min_gap_minutes"}  # decide when people may be called


def create_workspace(*, name: str, user: User, ip: str | None = None, **limits: Any) -> Workspace:
    """A workspace whose admin is `user`; it becomes their default if they had none."""
    with transaction.atomic():
        workspace = Workspace.unscoped.create(name=name, **limits)
        workspace.memberships.create(user=user, role=Role.ADMIN)
        _settle_default(user, workspace)
        here = audit.person(user, workspace=workspace, ip=ip)
        audit.record("workspace.created", access=here, target=workspace, changes={"name": name})
    return workspace


def update_workspace(*, workspace: Workspace, access: Access, changes: dict[str, Any]) -> None:
    with transaction.atomic():
        for name, value in changes.items():
            setattr(workspace, name, value)
        workspace.save(update_fields=list(changes))
        audit.record("workspace.updated", access=access, target=workspace, changes=changes)
        if changes.keys() & WHEN:
            _ask_anew(workspace)


def _ask_anew(workspace: Workspace) -> None:
    """Whoever waits for hours or a gap that were valid until now may be called at once, or waits for the new ones.

    Their table lies above accounts; the relation is the workspace's.
    """
    take_time()
    unfinished = workspace.recipients.filter(batch__status__in=("ready", "scheduled", "running", "paused"))
    unfinished.ask_anew(database_now())
    task_queue.ring(task_queue.DIAL)


def delete_workspace(*, workspace: Workspace, access: Access) -> None:
    """Delete a workspace and all it owns. Raises StateForbids while it holds a number at LiveKit."""
    with transaction.atomic():
        workspace.lock()
        for relation in workspace._meta.related_objects:
            model = relation.related_model
            if getattr(model, "keeps_workspace", False) and model._default_manager.filter(workspace=workspace).exists():
                raise StateForbids(f"Workspace still has {model._meta.verbose_name_plural}")
        homeless = list(User.objects.filter(default_workspace=workspace))
        take_time()
        audit.record("workspace.deleted", access=access, target=workspace, changes={"name": workspace.name})
        workspace.delete()
        for user in homeless:
            _move_home(user)
