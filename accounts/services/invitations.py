from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.auth import api_keys
from accounts.auth.principal import Principal
from accounts.models import Invitation, User, Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from accounts.services.members import set_default_if_none
from accounts.services.passwords import TOKEN_LENGTH
from voiceops.core.errors import Conflict, NotFound

INVITATION_LIFE = timedelta(days=7)


def create_invitation(
    *, workspace: Workspace, email: str, role: Role, principal: Principal, now: datetime
) -> Invitation:
    """Offer a seat by e-mail. Raises Conflict for a member, or while an earlier invitation still
    holds.
    """
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
            invited_by=principal.user,
            expires_at=now + INVITATION_LIFE,
        )
        changes = {"email": email, "role": role.label}
        audit.record("invitation.created", principal=principal, target=invitation, changes=changes)
    text = f"You are invited to {workspace.name} on VoiceOps.\n\nAccept at {settings.PUBLIC_URL}/auth/invitations/accept"
    email_delivery.send_email(
        email,
        "You are invited to VoiceOps",
        f"{text} within seven days with this token:\n\n{token}\n",
    )
    return invitation


def find_invitation(*, token: str, now: datetime) -> Invitation:
    """Raises NotFound for a token that is unknown, spent or over."""
    rows = Invitation.unscoped.select_related("workspace")
    invitation = rows.filter(
        token_hash=api_keys.digest(token), accepted_at=None, expires_at__gt=now
    ).first()
    if invitation is None:
        raise NotFound("Invitation not found")
    return invitation


def accept_invitation(
    *, invitation: Invitation, password: str | None, name: str, ip: str | None, now: datetime
) -> User:
    """Seat the invited person, who is created with `password` unless the address is known. Raises
    NotFound.

    Whoever holds the token reads that mailbox, and could set a new password as well: a known person
    needs none here.
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
        set_default_if_none(user, workspace)
        here = Principal.for_user(user, workspace=workspace, ip=ip)
        audit.record(
            "invitation.accepted",
            principal=here,
            target=invitation,
            changes={"role": Role(invitation.role).label},
        )
    return user


def revoke_invitation(*, invitation: Invitation, principal: Principal) -> None:
    audit.record(
        "invitation.revoked",
        principal=principal,
        target=invitation,
        changes={"email": invitation.email},
    )
    invitation.delete()
