"""The second factor of staff, and the counters that limit guessing."""

from django.db import models

from accounts.models.users import User
from voiceops.core.ids import uuid7


class SecondFactor(models.Model):
    """A user's authenticator app (TOTP, RFC 6238), required when staff log in to the admin.

    It is in effect from `confirmed_at`, when its first code was accepted. `last_step` is the time
    step of the newest accepted code; neither that code nor an older one is accepted again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, models.CASCADE, related_name="second_factor")
    secret = models.CharField(max_length=255, help_text="encrypted; in base32")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"second factor of {self.user}"


class RecoveryCode(models.Model):
    """A code that replaces one of the authenticator app, once."""

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
    """A counter of attempts at a password or code of staff, since `began_at`.

    `scope` is a hash of the account and, for logins, the IP address. A success deletes the row.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64, unique=True)
    count = models.PositiveIntegerField(default=1)
    began_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "staff tries"

    def __str__(self) -> str:
        return f"{self.count} tries {self.pk}"
