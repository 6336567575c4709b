from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth import api_keys, sessions
from accounts.auth.principal import Access
from accounts.models import ApiKey, Invitation, Membership, PasswordReset, User, Workspace, canonical_email
from accounts.roles import Role
from accounts.services import email_delivery
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import Conflict, NotFound, StateForbids
from voiceops.core.statement_timeouts import take_time

TOKEN_LENGTH = 32  # base62: 190 bits
INVITATION_LIFE = timedelta(days=7)
RESET_LIFE = timedelta(hours=1)
WHEN = {"calling_window", "holidays_country", "min_gap_minutes"}  # decide when people may be called


def register_user(*, email: str, password: str, name: str, workspace_name: str, ip: str | None) -> User:
    """A new person, admin of a new workspace, which is their default. Raises Conflict."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name)
            create_workspace(name=workspace_name, user=user, ip=ip)
    except IntegrityError as error:
        if User.objects.filter(email=canonical_email(email)).exists():
            raise Conflict("Email already registered") from error
        raise
    return user


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


def create_api_key(
    *,
    workspace: Workspace,
    name: str,
    role: Role,
    access: Access,
    expires_at: datetime | None = None,
    allowed_addresses: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """The row and the key itself, which nobody will see again. A key made by a key has the same person behind it.

    `allowed_addresses` (IP addresses or networks) are where it may be used from, empty for anywhere.
    """
    new = api_keys.generate_key()
    maker = access.key.created_by if access.key else access.user
    with transaction.atomic():
        row = workspace.api_keys.create(
            name=name,
            role=role,
            prefix=new.prefix,
            key_hash=new.key_hash,
            created_by=maker,
            expires_at=expires_at,
            allowed_addresses=list(allowed_addresses),
        )
        changes: dict[str, Any] = {"name": name, "role": role.label, "prefix": new.prefix}
        if allowed_addresses:
            changes["allowed_addresses"] = list(allowed_addresses)
        audit.record("api_key.created", access=access, target=row, changes=changes)
    return row, new.key


def revoke_api_key(*, key: ApiKey, access: Access, now: datetime) -> None:
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    audit.record("api_key.revoked", access=access, target=key, changes={"name": key.name, "prefix": key.prefix})


def invite(*, workspace: Workspace, email: str, role: Role, access: Access, now: datetime) -> Invitation:
    """Offer a seat by e-mail. Raises Conflict for a member, or while an earlier invitation still holds."""
    token = api_keys.random_text(TOKEN_LENGTH)
    with transaction.atomic():
        workspace.lock()
        if workspace.memberships.filter(user__email=email).exists():
            raise Conflict("Already a member")
        waiting = workspace.invitations.filter(email=email, accepted_at=None)
        if waiting.filter(expires_at__gt=now).exists():
            raise Conflict("Already invited")
        waiting.delete()
        invitation: Invitation = workspace.invitations.create(
            email=email,
            role=role,
            token_hash=api_keys.digest(token),
            invited_by=access.user,
            expires_at=now + INVITATION_LIFE,
        )
        changes = {"email": email, "role": role.label}
        audit.record("invitation.created", access=access, target=invitation, changes=changes)
    text = (
        f"You are invited to {workspace.name} on VoiceOps.\n\nAccept at {settings.PUBLIC_URL}/auth/invitations/accept"
    )
    email_delivery.send(email, "You are invited to VoiceOps", f"{text} within seven days with this token:\n\n{token}\n")
    return invitation


def find_invitation(*, token: str, now: datetime) -> Invitation:
    """Raises NotFound for a token that is unknown, spent or over."""
    rows = Invitation.unscoped.select_related("workspace")
    invitation = rows.filter(token_hash=api_keys.digest(token), accepted_at=None, expires_at__gt=now).first()
    if invitation is None:
        raise NotFound("Invitation not found")
    return invitation


def accept_invitation(
    *, invitation: Invitation, password: str | None, name: str, ip: str | None, now: datetime
) -> User:
    """Seat the invited person, who is created with `password` unless the address is known. Raises NotFound.

    Whoever holds the token reads that mailbox, and could set a new password as well: a known person needs none here.
    """
    with transaction.atomic():
        won = Invitation.unscoped.filter(pk=invitation.pk, accepted_at=None).update(accepted_at=now)
        user = User.objects.filter(email=invitation.email).first()
        if not won or (user is not None and not user.is_active):
            raise NotFound("Invitation not found")
        if user is None:
            user = User.objects.create_user(invitation.email, password, name=name)
        workspace = invitation.workspace
        workspace.memberships.get_or_create(user=user, defaults={"role": invitation.role})
        _settle_default(user, workspace)
        here = audit.person(user, workspace=workspace, ip=ip)
        audit.record(
            "invitation.accepted", access=here, target=invitation, changes={"role": Role(invitation.role).label}
        )
    return user


def revoke_invitation(*, invitation: Invitation, access: Access) -> None:
    audit.record("invitation.revoked", access=access, target=invitation, changes={"email": invitation.email})
    invitation.delete()


def change_password(*, access: Access, current: str, new: str, now: datetime) -> bool:
    """Set it and end every other session; False when `current` is wrong."""
    user = access.user
    assert user is not None
    if not user.check_password(current):
        return False
    _set_password(user, new, now=now)
    sessions.end_other_sessions(user=user, keep=access.session, now=now)
    audit.record("password.changed", access=access, target=user)
    return True


def request_password_reset(*, email: str, ip: str | None, now: datetime) -> None:
    """Send a token to the address if it is somebody's; the caller cannot tell, and not by the time it takes either."""
    user = User.objects.filter(email=canonical_email(email), is_active=True).select_related("default_workspace").first()
    token = api_keys.random_text(TOKEN_LENGTH)
    with transaction.atomic():
        access = audit.person(user, ip=ip) if user else Access(ip=ip)
        audit.record("password.reset_requested", access=access, target=user)
        if user is not None:
            PasswordReset.objects.create(user=user, token_hash=api_keys.digest(token), expires_at=now + RESET_LIFE)
    if user is None:
        return
    text = f"Set a new password at {settings.PUBLIC_URL}/auth/password/reset/confirm within one hour with this token:"
    email_delivery.send(
        user.email, "Reset your VoiceOps password", f"{text}\n\n{token}\n\nIf you did not ask for it, do nothing.\n"
    )


def find_reset(*, token: str, now: datetime) -> PasswordReset:
    """Raises NotFound for a token that is unknown, spent or over."""
    rows = PasswordReset.objects.select_related("user__default_workspace").filter(user__is_active=True)
    reset = rows.filter(token_hash=api_keys.digest(token), used_at=None, expires_at__gt=now).first()
    if reset is None:
        raise NotFound("Password reset not found")
    return reset


def confirm_password_reset(*, reset: PasswordReset, password: str, ip: str | None, now: datetime) -> None:
    """Set the password once and end every session. Raises NotFound when another request was faster."""
    if not PasswordReset.objects.filter(pk=reset.pk, used_at=None).update(used_at=now):
        raise NotFound("Password reset not found")
    _set_password(reset.user, password, now=now)
    sessions.end_other_sessions(user=reset.user, keep=None, now=now)
    audit.record("password.reset", access=audit.person(reset.user, ip=ip), target=reset.user)


def _keep_an_admin(member: Membership) -> None:
    others = Membership.unscoped.filter(workspace=member.workspace_id, role=Role.ADMIN).exclude(pk=member.pk)
    if not others.exists():
        raise StateForbids("Workspace must keep an admin")


def _revoke_keys_of(member: Membership, *, above: int, access: Access, now: datetime) -> None:
    """The keys that somebody made hold no role longer than they themselves do."""
    made = member.workspace.api_keys.filter(created_by=member.user, role__gt=above, revoked_at=None)
    for key in made.order_by("pk"):
        revoke_api_key(key=key, access=access, now=now)


def _settle_default(user: User, workspace: Workspace) -> None:
    if user.default_workspace_id is None:
        user.default_workspace = workspace
        user.save(update_fields=["default_workspace"])


def _move_home(user: User) -> None:
    """Make the oldest remaining workspace the default, or none."""
    seat = user.memberships.select_related("workspace").order_by("pk").first()
    user.default_workspace = seat.workspace if seat else None
    user.save(update_fields=["default_workspace"])


def _set_password(user: User, password: str, *, now: datetime) -> None:
    """Whatever tokens wait in a mailbox were for the old one."""
    user.set_password(password)
    user.save(update_fields=["password"])
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=now)
