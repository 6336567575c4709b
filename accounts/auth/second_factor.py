"""The second factor of staff: six digits from an app (TOTP, RFC 6238), and recovery codes.

A recovery code replaces the digits once, for someone who has lost the app.
"""

import base64
import hmac
import secrets
from datetime import datetime

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import transaction
from django.utils.safestring import SafeString, mark_safe

from accounts import audit
from accounts.auth import api_keys
from accounts.auth.principal import Principal
from accounts.models import RecoveryCode, SecondFactor, User
from voiceops.core import crypto
from voiceops.core.errors import Invalid, StateForbids

STEP_SECONDS = 30
CODE_DIGITS = 6
ACCEPTED_STEPS = (-1, 0, 1)  # around now: clocks of phones differ, and typing takes time
SECRET_BYTES = 20
RECOVERY_CODE_COUNT = 10
RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without characters that look alike
WRONG_CODE = "This code is wrong or was used before. Wait for the next one."


def begin_setup(*, user: User) -> SecondFactor:
    """Create a factor with a new secret. It takes effect once `confirm` has accepted a code.

    Raises StateForbids when the user has a confirmed factor already.
    """
    with transaction.atomic():
        if find_confirmed(user) is not None:
            raise StateForbids("A second factor is set up already")
        # An unconfirmed one may be left over from an earlier attempt.
        SecondFactor.objects.filter(user=user).delete()
        factor = SecondFactor(user=user)
        secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
        factor.secret = crypto.encrypt(secret, _context(factor))
        factor.save(force_insert=True)
    return factor


def get_or_begin_setup(user: User) -> SecondFactor:
    """Return the factor being set up, or begin one. Raises StateForbids as `begin_setup`."""
    unconfirmed = SecondFactor.objects.filter(user=user, confirmed_at=None).first()
    return unconfirmed or begin_setup(user=user)


def confirm(*, factor: SecondFactor, code: str, now: datetime, principal: Principal) -> list[str]:
    """Put the factor into effect and return its recovery codes, which cannot be read again.

    Raises Invalid for a wrong code, which is written to the audit log.
    """
    with transaction.atomic():
        if _spend_step(factor, code, now):
            SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=now)
            audit.record("second_factor.added", principal=principal, target=factor.user)
            return _replace_recovery_codes(factor)
    # After the transaction: its rollback would take the entry with it.
    audit.record("second_factor.refused", principal=principal, target=factor.user)
    raise Invalid(WRONG_CODE)


def verify(*, factor: SecondFactor, code: str, now: datetime, principal: Principal) -> None:
    """Accept the app's current code or a recovery code, each of them once.

    Raises Invalid for a wrong code, which is written to the audit log.
    """
    if not (_spend_step(factor, code, now) or _spend_recovery_code(factor, code, now)):
        audit.record("second_factor.refused", principal=principal, target=factor.user)
        raise Invalid(WRONG_CODE)


def renew_recovery_codes(*, factor: SecondFactor, principal: Principal) -> list[str]:
    """Replace all recovery codes and return the new ones, which cannot be read again."""
    with transaction.atomic():
        audit.record("second_factor.codes_renewed", principal=principal, target=factor.user)
        return _replace_recovery_codes(factor)


def remove(*, factor: SecondFactor, principal: Principal) -> None:
    """Delete the factor; the password alone logs its user in again."""
    with transaction.atomic():
        audit.record("second_factor.removed", principal=principal, target=factor.user)
        factor.delete()


def find_confirmed(user: User) -> SecondFactor | None:
    """Return the user's factor if it is in effect."""
    return SecondFactor.objects.filter(user=user).exclude(confirmed_at=None).first()


def decrypt_secret(factor: SecondFactor) -> str:
    """Return the secret in base32, which is how apps want it typed."""
    return crypto.decrypt(factor.secret, _context(factor))


def provisioning_uri(factor: SecondFactor) -> str:
    """Return the otpauth:// address that an app reads from a QR code."""
    return _totp(factor).get_provisioning_uri(factor.user.email, "VoiceOps")


def qr_code_of(factor: SecondFactor) -> SafeString:
    """Return that address as a picture (SVG), black on white in light and dark pages alike."""
    code = segno.make(provisioning_uri(factor), error="m")
    picture = code.svg_inline(scale=5, dark="#000", light="#fff", border=3)
    return mark_safe(picture)  # noqa: S308 - squares, drawn by the library


def _spend_step(factor: SecondFactor, code: str, now: datetime) -> bool:
    digits = "".join(code.split()).encode()
    current_step = int(now.timestamp()) // STEP_SECONDS
    for offset in ACCEPTED_STEPS:
        step = current_step + offset
        if hmac.compare_digest(_totp(factor).generate(step * STEP_SECONDS), digits):
            # The conditional UPDATE lets one of several parallel uses win.
            unspent = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step)
            return bool(unspent.update(last_step=step))
    return False


def _spend_recovery_code(factor: SecondFactor, code: str, now: datetime) -> bool:
    code_hash = api_keys.digest("".join(code.lower().split()))
    unused = RecoveryCode.objects.filter(factor=factor, code_hash=code_hash, used_at=None)
    return bool(unused.update(used_at=now))


def _replace_recovery_codes(factor: SecondFactor) -> list[str]:
    factor.recovery_codes.all().delete()
    codes = [_random_recovery_code() for _ in range(RECOVERY_CODE_COUNT)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(factor=factor, code_hash=api_keys.digest(code)) for code in codes
    )
    return codes


def _random_recovery_code() -> str:
    groups = ("".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def _totp(factor: SecondFactor) -> TOTP:
    # SHA-1 is what every app expects; inside an HMAC it is still sound (RFC 6238, 1.2).
    secret = base64.b32decode(decrypt_secret(factor))
    return TOTP(secret, CODE_DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303


def _context(factor: SecondFactor) -> str:
    return crypto.context_of(SecondFactor._meta.db_table, "secret", factor.pk)
