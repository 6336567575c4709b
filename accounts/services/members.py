from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.services.api_keys import revoke_keys_of
from voiceops.core.errors import Conflict, StateForbids


def add_member(*, workspace: Workspace, user: User, role: Role, principal: Principal) -> Membership:
    """Somebody who has an account already. Raises Conflict for a member."""
    with transaction.atomic():
        member, is_new = workspace.memberships.get_or_create(user=user, defaults={"role": role})
        if not is_new:
            raise Conflict("Already a member")
        set_default_if_none(user, workspace)
        audit.record("member.added", principal=principal, target=user, changes={"role": role.label})
    return member


def change_role(*, member: Membership, role: Role, principal: Principal, now: datetime) -> None:
    """Raises StateForbids when it would leave the workspace without an admin."""
    with transaction.atomic():
        member.workspace.lock()
        if role < Role.ADMIN:
            require_another_admin(member)
        before, member.role = member.role, role
        member.save(update_fields=["role"])
        changes = {"role": [Role(before).label, role.label]}
        audit.record(
            "member.role_changed", principal=principal, target=member.user, changes=changes
        )
        revoke_keys_of(member, above=role, principal=principal, now=now)


def remove_member(*, member: Membership, principal: Principal, now: datetime) -> None:
    """Raises StateForbids when it would leave the workspace without an admin."""
    with transaction.atomic():
        member.workspace.lock()
        require_another_admin(member)
        revoke_keys_of(member, above=0, principal=principal, now=now)
        member.delete()
        if member.user.default_workspace_id == member.workspace_id:
            reset_default_workspace(member.user)
        audit.record("member.removed", principal=principal, target=member.user)


def require_another_admin(member: Membership) -> None:
    others = Membership.unscoped.filter(workspace=member.workspace_id, role=Role.ADMIN).exclude(
        pk=member.pk
    )
    if not others.exists():
        raise StateForbids("Workspace must keep an admin")


def set_default_if_none(user: User, workspace: Workspace) -> None:
    if user.default_workspace_id is None:
        user.default_workspace = workspace
        user.save(update_fields=["default_workspace"])


def reset_default_workspace(user: User) -> None:
    """Make the oldest remaining workspace the default, or none."""
    seat = user.memberships.select_related("workspace").order_by("pk").first()
    user.default_workspace = seat.workspace if seat else None
    user.save(update_fields=["default_workspace"])
