from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Access
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.services.api_keys import _revoke_keys_of
from voiceops.core.errors import Conflict, StateForbids


def seat_user(*, workspace: Workspace, user: User, role: Role, access: Access) -> Membership:
    """Somebody who has an account already. Raises Conflict for a member."""
    with transaction.atomic():
        member, is_new = workspace.memberships.get_or_create(user=user, defaults={"role": role})
        if not is_new:
            raise Conflict("Already a member")
        _settle_default(user, workspace)
        audit.record("member.added", access=access, target=user, changes={"role": role.label})
    return member


def change_role(*, member: Membership, role: Role, access: Access, now: datetime) -> None:
    """Raises StateForbids when it would leave the workspace without an admin."""
    with transaction.atomic():
        member.workspace.lock()
        if role < Role.ADMIN:
            _keep_an_admin(member)
        before, member.role = member.role, role
        member.save(update_fields=["role"])
        changes = {"role": [Role(before).label, role.label]}
        audit.record("member.role_changed", access=access, target=member.user, changes=changes)
        _revoke_keys_of(member, above=role, access=access, now=now)


def remove_member(*, member: Membership, access: Access, now: datetime) -> None:
    """Raises StateForbids when it would leave the workspace without an admin."""
    with transaction.atomic():
        member.workspace.lock()
        _keep_an_admin(member)
        _revoke_keys_of(member, above=0, access=access, now=now)
        member.delete()
        if member.user.default_workspace_id == member.workspace_id:
            _move_home(member.user)
        audit.record("member.removed", access=access, target=member.user)


def _keep_an_admin(member: Membership) -> None:
    others = Membership.unscoped.filter(workspace=member.workspace_id, role=Role.ADMIN).exclude(pk=member.pk)
    if not others.exists():
        raise StateForbids("Workspace must keep an admin")


def _settle_default(user: User, workspace: Workspace) -> None:
    if user.default_workspace_id is None:
        user.default_workspace = workspace
        user.save(update_fields=["default_workspace"])


def _move_home(user: User) -> None:
    """Make the oldest remaining workspace the default, or none."""
    seat = user.memberships.select_related("workspace").order_by("pk").first()
    user.default_workspace = seat.workspace if seat else None
    user.save(update_fields=["default_workspace"])
