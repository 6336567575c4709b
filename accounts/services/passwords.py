"""Changing a password, and resetting it by e-mail."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.auth import api_keys, sessions
from accounts.auth.principal import Principal
from accounts.models import PasswordReset, User, canonical_email
from accounts.services import email_delivery
from accounts.services.address_proof import EMAIL_TOKEN_LENGTH, prove_address
from voiceops.core.errors import Invalid, NotFound

RESET_LIFETIME = timedelta(hours=1)
RESET_REQUESTED = "password.reset_requested"
RESET_EMAIL = """\
Set a new password within one hour: {url}/console/new-password?token={token}
Programs set it at {url}/auth/password/reset/confirm with this token:

{token}

If you did not request it, you need not do anything.
"""


def change_password(*, principal: Principal, current: str, new: str, now: datetime) -> None:
    """Change the user's own password and end all their other sessions.

    Raises Invalid when `current` is wrong.
    """
    user = principal.user
    assert user is not None
    if not user.check_password(current):
        raise Invalid("Invalid current password")
    set_password(user, new, now=now)
    sessions.end_other_sessions(user=user, keep=principal.session, now=now)
    audit.record("password.changed", principal=principal, target=user)


def request_password_reset(*, email: str, ip: str | None, now: datetime) -> None:
    """Send a token to the address if a user has it, a few times in a quarter of an hour.

    Neither the answer nor the time it takes reveals whether one does.
    """
    users = User.objects.filter(email=canonical_email(email), is_active=True)
    user = users.select_related("default_workspace").first()
    # The same statements run for unknown addresses, as far as they can.
    token = api_keys.random_text(EMAIL_TOKEN_LENGTH)
    principal = Principal.for_user(user, ip=ip) if user else Principal(ip=ip)
    if audit.is_repeated(RESET_REQUESTED, principal=principal, target=user):
        return
    with transaction.atomic():
        audit.record(RESET_REQUESTED, principal=principal, target=user)
        if user is not None:
            PasswordReset.objects.create(
                user=user, token_hash=api_keys.digest(token), expires_at=now + RESET_LIFETIME
            )
    if user is not None:
        email_delivery.send_email(
            user.email,
            "Reset your VoiceOps password",
            RESET_EMAIL.format(url=settings.PUBLIC_URL, token=token),
        )


def find_reset(*, token: str, now: datetime) -> PasswordReset:
    """Return the reset of a token. Raises NotFound for one that is unknown, used or expired."""
    rows = PasswordReset.objects.select_related("user__default_workspace")
    reset = rows.filter(
        token_hash=api_keys.digest(token),
        used_at=None,
        expires_at__gt=now,
        user__is_active=True,
    ).first()
    if reset is None:
        raise NotFound("Password reset not found")
    return reset


def confirm_password_reset(
    *, reset: PasswordReset, password: str, ip: str | None, now: datetime
) -> None:
    """Set the password and end every session of the user; the token proves their address.

    Raises NotFound when another request used the token first.
    """
    with transaction.atomic():
        if not PasswordReset.objects.filter(pk=reset.pk, used_at=None).update(used_at=now):
            raise NotFound("Password reset not found")
        prove_address(user=reset.user, ip=ip, now=now)
        set_password(reset.user, password, now=now)
        sessions.end_other_sessions(user=reset.user, keep=None, now=now)
        principal = Principal.for_user(reset.user, ip=ip)
        audit.record("password.reset", principal=principal, target=reset.user)


def set_password(user: User, password: str, *, now: datetime) -> None:
    """Set the password. Reset tokens that are still in a mailbox lose their use."""
    user.set_password(password)
    user.save(update_fields=["password"])
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=now)
