"""Proof that a user can read the mail of their address.

Anyone can register anyone's address. A link that was sent there (a verification, an invitation, a
reset) proves who owns it, and from that moment nothing that was made before it holds: whoever
registered the address first keeps neither session nor key nor password.
"""

from datetime import datetime, timedelta

from django.conf import settings

from accounts import audit
from accounts.auth import api_keys, sessions
from accounts.auth.principal import Principal
from accounts.models import ApiKey, PasswordReset, User
from accounts.services import email_delivery
from accounts.services.api_keys import revoke_api_key

EMAIL_TOKEN_LENGTH = 32  # base62: 190 bits
VERIFICATION_LIFETIME = timedelta(days=7)
VERIFICATION_EMAIL = """\
Somebody has registered this address at VoiceOps.

If it was you, set your password once more within seven days, and your address is confirmed:
{url}/console/new-password?token={token}
Programs set it at {url}/auth/password/reset/confirm with this token:

{token}

If it was not you, you need not do anything, or set a password to make the account yours.
"""


def send_verification(*, user: User, now: datetime) -> None:
    """Send a token to a new user's address; setting the password with it proves the address."""
    token = api_keys.random_text(EMAIL_TOKEN_LENGTH)
    PasswordReset.objects.create(
        user=user, token_hash=api_keys.digest(token), expires_at=now + VERIFICATION_LIFETIME
    )
    email_delivery.send_email(
        user.email,
        "Confirm your VoiceOps address",
        VERIFICATION_EMAIL.format(url=settings.PUBLIC_URL, token=token),
    )


def prove_address(*, user: User, ip: str | None, now: datetime) -> bool:
    """Record that the user's address is proven, inside the caller's transaction.

    Everything of an unproven address ends: its sessions, its API keys, its password and the tokens
    of earlier e-mails. Returns whether the address was unproven.
    """
    # Of two simultaneous proofs one ends what was before; the other is the owner's already.
    unproven = User.objects.filter(pk=user.pk, email_proven_at=None)
    if not unproven.update(email_proven_at=now):
        return False
    user.email_proven_at = now
    user.set_unusable_password()
    user.save(update_fields=["password"])
    PasswordReset.objects.filter(user=user, used_at=None).update(used_at=now)
    sessions.end_other_sessions(user=user, keep=None, now=now)

    principal = Principal.for_user(user, ip=ip)
    audit.record("user.address_proven", principal=principal, target=user)
    for key in ApiKey.unscoped.filter(created_by=user, revoked_at=None).order_by("pk"):
        revoke_api_key(key=key, principal=principal, now=now)
    return True
