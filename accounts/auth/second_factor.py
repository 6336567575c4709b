"""Six digits beside the password (TOTP, RFC 6238), and recovery codes for who has lost the app that
shows them.
"""

import base64
import hmac
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import transaction

from accounts import audit
from accounts.auth import api_keys
from accounts.auth.principal import Principal
from accounts.models import RecoveryCode, SecondFactor, User
from voiceops.core import crypto
from voiceops.core.errors import Invalid, StateForbids

STEP_SECONDS = 30
DIGITS = 6
SLACK = (-1, 0, 1)  # steps: clocks of phones differ, and people type slowly
SECRET_BYTES = 20
CODES = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
WRONG_CODE = "This code is not right, or was used before. Wait for the next one."


def begin(*, user: User) -> SecondFactor:
    """A new secret to be put into an app; nothing is asked for until `confirm`. Raises
    StateForbids.
    """
    with transaction.atomic():
        if factor_of(user) is not None:
            raise StateForbids("A second factor is set up already")
        SecondFactor.objects.filter(user=user).delete()
        factor = SecondFactor(user=user)
        secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
        factor.secret = crypto.encrypt(secret, _place(factor))
        factor.save(force_insert=True)
    return factor


def pending(user: User) -> SecondFactor:
    """The one being set up, made if there is none. Raises StateForbids."""
    return SecondFactor.objects.filter(user=user, confirmed_at=None).first() or begin(user=user)


def confirm(*, factor: SecondFactor, code: str, now: datetime, principal: Principal) -> list[str]:
    """From now on it is asked for. Returns the recovery codes, which nobody will see again. Raises
    Invalid.
    """
    with transaction.atomic():
        if not _spend_step(factor, code, now):
            raise Invalid(WRONG_CODE)
        SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=now)
        audit.record("second_factor.added", principal=principal, target=factor.user)
        return _new_codes(factor)


def renew_codes(*, factor: SecondFactor, principal: Principal) -> list[str]:
    with transaction.atomic():
        audit.record("second_factor.codes_renewed", principal=principal, target=factor.user)
        return _new_codes(factor)


def remove(*, factor: SecondFactor, principal: Principal) -> None:
    with transaction.atomic():
        audit.record("second_factor.removed", principal=principal, target=factor.user)
        factor.delete()


def factor_of(user: User) -> SecondFactor | None:
    return SecondFactor.objects.filter(user=user).exclude(confirmed_at=None).first()


def accepts(*, factor: SecondFactor, code: str, now: datetime) -> bool:
    """Whether the app shows this code now, or it is a recovery code; each is good once."""
    return _spend_step(factor, code, now) or _spend_recovery(factor, code, now)


def secret_of(factor: SecondFactor) -> str:
    """In base32, as apps want it typed."""
    return crypto.decrypt(factor.secret, _place(factor))


def address_of(factor: SecondFactor) -> str:
    """The otpauth:// address an app reads from a picture."""
    return _totp(factor).get_provisioning_uri(factor.user.email, "VoiceOps")


def _spend_step(factor: SecondFactor, code: str, now: datetime) -> bool:
    digits = "".join(code.split()).encode()
    for slack in SLACK:
        step = int(now.timestamp()) // STEP_SECONDS + slack
        if hmac.compare_digest(_totp(factor).generate(step * STEP_SECONDS), digits):
            unspent = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step)
            return bool(unspent.update(last_step=step))
    return False


def _spend_recovery(factor: SecondFactor, code: str, now: datetime) -> bool:
    code_hash = api_keys.digest("".join(code.lower().split()))
    return bool(
        RecoveryCode.objects.filter(factor=factor, code_hash=code_hash, used_at=None).update(
            used_at=now
        )
    )


def _new_codes(factor: SecondFactor) -> list[str]:
    factor.recovery_codes.all().delete()
    codes = [
        "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
        for _ in range(CODES)
    ]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(factor=factor, code_hash=api_keys.digest(code)) for code in codes
    )
    return codes


def _totp(factor: SecondFactor) -> TOTP:
    # SHA-1 is what every app expects; as an HMAC it holds (RFC 6238, 1.2).
    return TOTP(base64.b32decode(secret_of(factor)), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303


def _place(factor: SecondFactor) -> str:
    return crypto.context_of(SecondFactor._meta.db_table, "secret", factor.pk)
