from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.auth import api_keys, sessions
from accounts.auth.principal import Principal
from accounts.models import PasswordReset, User, canonical_email
from accounts.services import email_delivery
from voiceops.core.errors import NotFound

TOKEN_LENGTH = 32  # base62: 190 bits
RESET_LIFE = timedelta(hours=1)


def change_password(*, principal: Principal, current: str, new: str, now: datetime) -> bool:
    """Set it and end every other session; False when `current` is wrong."""
    user = principal.user
    assert user is not None
    if not user.check_password(current):
        return False
    set_password(user, new, now=now)
    sessions.end_other_sessions(user=user, keep=principal.session, now=now)
    audit.record("password.changed", principal=principal, target=user)
    return True


def request_password_reset(*, email: str, ip: str | None, now: datetime) -> None:
    """Send a token to the address if it is somebody's; the caller cannot tell, and not by the time
    it takes either.
    """
    user = (
        User.objects.filter(email=canonical_email(email), is_active=True)
        .select_related("default_workspace")
        .first()
    )
    token = api_keys.random_text(TOKEN_LENGTH)
    with transaction.atomic():
        principal = Principal.for_user(user, ip=ip) if user else Principal(ip=ip)
        audit.record("password.reset_requested", principal=principal, target=user)
        if user is not None:
            PasswordReset.objects.create(
                user=user, token_hash=api_keys.digest(token), expires_at=now + RESET_LIFE
            )
    if user is None:
        return
    text = f"Set a new password at {settings.PUBLIC_URL}/auth/password/reset/confirm within one hour with this token:"
    email_delivery.send_email(
        user.email,
        "Reset your VoiceOps password",
        f"{text}\n\n{token}\n\nIf you did not ask for it, do nothing.\n",
    )


def find_reset(*, token: str, now: datetime) -> PasswordReset:
    """Raises NotFound for a token that is unknown, spent or over."""
    rows = PasswordReset.objects.select_related("user__default_workspace").filter(
        user__is_active=True
    )
    reset = rows.filter(token_hash=api_keys.digest(token), used_at=None, expires_at__gt=now).first()
    if reset is None:
        raise NotFound("Password reset not found")
    return reset


def confirm_password_reset(
    *, reset: PasswordReset, password: str, ip: str | None, now: datetime
) -> None:
    """Set the password once and end every session. Raises NotFound when another request was faster."""
    if not PasswordReset.objects.filter(pk=reset.pk, used_at=None).update(used_at=now):
        raise NotFound("Password reset not found")
    set_password(reset.user, password, now=now)
    sessions.end_other_sessions(user=reset.user, keep=None, now=now)
    audit.record(
        "password.reset", principal=Principal.for_user(reset.user, ip=ip), target=reset.user
    )


def set_password(user: User, password: str, *, now: datetime) -> None:
    """Whatever tokens wait in a mailbox were for the old one."""
    user.set_password(password)
    user.save(update_fields=["password"])
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=now)
