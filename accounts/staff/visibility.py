"""What a member of staff sees: the rows of which workspaces, and personal data or none.

Superusers see everything. For others two permissions decide, which `ops/control/groups.py` gives to
groups: every workspace instead of only those of which they are members, and the pages that show
numbers, transcripts and recordings in full.
"""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Membership, User, Workspace

EVERY_WORKSPACE = "accounts.view_every_workspace"
PERSONAL_DATA = "accounts.view_personal_data"

Staff = User | AnonymousUser


def limit_rows(rows: QuerySet[Any], user: Staff) -> QuerySet[Any]:
    """Return those of the rows that belong to a workspace which `user` may see.

    Rows that belong to no workspace are only for those who see every one.
    """
    if user.has_perm(EVERY_WORKSPACE):
        return rows
    own = Membership.unscoped.filter(user=user.pk).values("workspace")
    if rows.model is Workspace:
        return rows.filter(pk__in=own)
    if any(field.name == "workspace" for field in rows.model._meta.fields):
        return rows.filter(workspace__in=own)
    return rows.none()


def require_personal_data(request: HttpRequest) -> None:
    """Raises PermissionDenied for staff who see numbers masked and no conversation."""
    if not request.user.has_perm(PERSONAL_DATA):
        raise PermissionDenied
