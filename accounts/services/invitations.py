"""Invitations to a workspace: sent by e-mail, accepted with a token."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.auth import api_keys
from accounts.auth.principal import Principal
from accounts.models import Invitation, User, Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from accounts.services.address_proof import EMAIL_TOKEN_LENGTH, prove_address
from accounts.services.members import set_default_if_none
from voiceops.core.errors import Conflict, NotFound

INVITATION_LIFETIME = timedelta(days=7)
INVITATION_EMAIL = """\
You are invited to {workspace} on VoiceOps.

Accept within seven days: {url}/console/invitation?token={token}
Programs accept at {url}/auth/invitations/accept with this token:

{token}
"""


def create_invitation(
    *, workspace: Workspace, email: str, role: Role, principal: Principal, now: datetime
) -> Invitation:
    """Invite someone to the workspace by e-mail.

    Raises Conflict for a member, and while an earlier invitation is still valid.
    """
    token = api_keys.random_text(EMAIL_TOKEN_LENGTH)
    with transaction.atomic():
        workspace.lock()
        if workspace.memberships.filter(user__email=email).exists():
            raise Conflict("Already a member")
        unaccepted = workspace.invitations.filter(email=email, accepted_at=None)
        if unaccepted.filter(expires_at__gt=now).exists():
            raise Conflict("Already invited")
        # An expired one would violate the constraint of one open invitation per address.
        unaccepted.delete()

        invitation: Invitation = workspace.invitations.create(
            email=email,
            role=role,
            token_hash=api_keys.digest(token),
            invited_by=principal.user,
            expires_at=now + INVITATION_LIFETIME,
        )
        changes = {"email": email, "role": role.label}
        audit.record("invitation.created", principal=principal, target=invitation, changes=changes)
    email_delivery.send_email(
        email,
        "You are invited to VoiceOps",
        INVITATION_EMAIL.format(workspace=workspace.name, url=settings.PUBLIC_URL, token=token),
    )
    return invitation


def find_invitation(*, token: str, now: datetime) -> Invitation:
    """Return a token's invitation. Raises NotFound if it is unknown, used or expired."""
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
    """Make the invited person a member, creating the user unless the address is known.

    A known user needs no password here: the token proves access to the mailbox, with which one
    could set a new password anyway. Where the address was not proven before, everything that was
    made with it ends, and `password` becomes the user's.

    Raises NotFound when the invitation was just accepted or the user is disabled.
    """
    with transaction.atomic():
        # Of two requests with one token, the conditional UPDATE lets one win.
        won = Invitation.unscoped.filter(pk=invitation.pk, accepted_at=None).update(accepted_at=now)
        user = User.objects.filter(email=invitation.email).first()
        if not won or (user is not None and not user.is_active):
            raise NotFound("Invitation not found")
        workspace = invitation.workspace
        if user is None:
            user = User.objects.create_user(
                invitation.email, password, name=name, email_proven_at=now
            )
        elif prove_address(user=user, ip=ip, now=now):
            _hand_over(user, password, workspace)

        workspace.memberships.get_or_create(user=user, defaults={"role": invitation.role})
        set_default_if_none(user, workspace)
        audit.record(
            "invitation.accepted",
            principal=Principal.for_user(user, workspace=workspace, ip=ip),
            target=invitation,
            changes={"role": Role(invitation.role).label},
        )
    return user


def _hand_over(user: User, password: str | None, workspace: Workspace) -> None:
    """Give an account whose address was just proven to the one who proved it."""
    if password is not None:
        user.set_password(password)
    # Not the workspace of whoever registered the address: its other members may be theirs.
    user.default_workspace = workspace
    user.save(update_fields=["password", "default_workspace"])


def revoke_invitation(*, invitation: Invitation, principal: Principal) -> None:
    """Delete the invitation; its token is worth nothing any more."""
    audit.record(
        "invitation.revoked",
        principal=principal,
        target=invitation,
        changes={"email": invitation.email},
    )
    invitation.delete()


def is_known_address(email: str) -> bool:
    """Whether the address has an account whose owner has proven it, and so needs no password."""
    return User.objects.filter(email=email).exclude(email_proven_at=None).exists()
