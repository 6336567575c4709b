"""Finding the workspace that a command's `--workspace` names."""

import uuid

from django.core.management.base import CommandError
from django.db.models import Q

from accounts.models import Workspace


def find_workspace(text: str | None) -> Workspace:
    """Return the workspace with this id or name; without one, the only workspace there is.

    Raises CommandError when there is none, or more than one.
    """
    workspaces = Workspace.unscoped.filter(_by_id_or_name(text)) if text else Workspace.unscoped
    found = list(workspaces.order_by("pk")[:2])
    if len(found) == 1:
        return found[0]
    if not found:
        name = f" {text}" if text else ""
        raise CommandError(f"There is no workspace{name}; create one with create_workspace")
    if text:
        raise CommandError(f"There is more than one workspace {text}; give its id instead")
    raise CommandError("There is more than one workspace; choose one with --workspace")


def _by_id_or_name(text: str) -> Q:
    try:
        return Q(pk=uuid.UUID(text))
    except ValueError:
        return Q(name=text)
