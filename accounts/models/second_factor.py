"""What staff are asked for beside their password."""

from django.db import models

from accounts.models.users import User
from voiceops.core.ids import uuid7


class SecondFactor(models.Model):
    """Somebody's authenticator app (TOTP, RFC 6238), asked for beside the password where staff log
    in.

    It counts from `confirmed_at` on, when its first code was shown. `last_step` is the time step of
    the newest code that was accepted: neither it nor an older one is accepted again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, models.CASCADE, related_name="second_factor")
    secret = models.CharField(
        max_length=255, help_text="encrypted: what the app makes its codes of, in base32"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"second factor {self.pk}"


class RecoveryCode(models.Model):
    """Good once, in the place of a code of an authenticator app that is lost."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    factor = models.ForeignKey(SecondFactor, models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["factor", "code_hash"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


class StaffTry(models.Model):
    """How often something secret was tried by staff, or by who would be, since `began_at`.

    `scope` is a hash of what was tried and from where; tries that succeed take the row away.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64, unique=True)
    count = models.PositiveIntegerField(default=1)
    began_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "staff tries"

    def __str__(self) -> str:
        return f"{self.count} tries {self.pk}"
