"""Members of a workspace, their roles and their default workspace."""

from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.services.api_keys import revoke_keys_of
from voiceops.core.errors import Conflict, NotFound, StateForbids


def add_member(*, workspace: Workspace, user: User, role: Role, principal: Principal) -> Membership:
    """Make an existing user a member.

    Raises StateForbids when their address is not proven, and Conflict when they are a member.
    """
    if user.email_proven_at is None:
        raise StateForbids("The user's e-mail address is not proven: invite them instead")
    with transaction.atomic():
        member, is_new = workspace.memberships.get_or_create(user=user, defaults={"role": role})
        if not is_new:
            raise Conflict("Already a member")
        set_default_if_none(user, workspace)
        audit.record("member.added", principal=principal, target=user, changes={"role": role.label})
    return member


def change_role(*, member: Membership, role: Role, principal: Principal, now: datetime) -> None:
    """Change the member's role and revoke their API keys of a higher one.

    Raises StateForbids when the workspace would be left without an admin, NotFound when another
    request has removed the member meanwhile.
    """
    with transaction.atomic():
        member.workspace.lock()
        _require_still_member(member)
        if role < Role.ADMIN:
            require_another_admin(member)
        previous_role = Role(member.role)
        member.role = role
        member.save(update_fields=["role"])
        audit.record(
            "member.role_changed",
            principal=principal,
            target=member.user,
            changes={"role": [previous_role.label, role.label]},
        )
        revoke_keys_of(member, above=role, principal=principal, now=now)


def remove_member(*, member: Membership, principal: Principal, now: datetime) -> None:
    """Remove the member and revoke their API keys.

    Raises StateForbids when the workspace would be left without an admin, NotFound when another
    request has removed the member meanwhile.
    """
    with transaction.atomic():
        # Two admins who leave at once must not both see the other one.
        member.workspace.lock()
        _require_still_member(member)
        require_another_admin(member)
        revoke_keys_of(member, above=0, principal=principal, now=now)
        member.delete()
        if member.user.default_workspace_id == member.workspace_id:
            reset_default_workspace(member.user)
        audit.record("member.removed", principal=principal, target=member.user)


def require_another_admin(member: Membership) -> None:
    """Raises StateForbids when the workspace has no admin besides the member."""
    admins = Membership.unscoped.filter(workspace=member.workspace_id, role=Role.ADMIN)
    if not admins.exclude(pk=member.pk).exists():
        raise StateForbids("Workspace must keep an admin")


def _require_still_member(member: Membership) -> None:
    """Raises NotFound when the row is gone. The workspace is locked, so that it stays."""
    if not Membership.unscoped.filter(pk=member.pk).exists():
        raise NotFound("Member not found")


def set_default_if_none(user: User, workspace: Workspace) -> None:
    """Make the workspace the user's default unless they have one."""
    if user.default_workspace_id is None:
        user.default_workspace = workspace
        user.save(update_fields=["default_workspace"])


def reset_default_workspace(user: User) -> None:
    """Make the oldest remaining workspace of the user their default, or none."""
    oldest = user.memberships.select_related("workspace").order_by("pk").first()
    user.default_workspace = oldest.workspace if oldest else None
    user.save(update_fields=["default_workspace"])
