from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, NoReturn

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from accounts.roles import Role
from accounts.tenancy import Sealed, WorkspaceOwned
from voiceops.ids import uuid7


class Workspace(Sealed):
    """One customer's world. Everything else hangs from it; the limits below are off while they are null."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    calling_window = models.JSONField(null=True, blank=True)
    max_concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    min_gap_minutes = models.PositiveIntegerField(null=True, blank=True)
    max_attempts_per_day = models.PositiveIntegerField(null=True, blank=True)
    max_attempts_per_week = models.PositiveIntegerField(null=True, blank=True)
    recording_retention_days = models.PositiveIntegerField(null=True, blank=True)
    holidays_country = models.CharField(max_length=2, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    unscoped: ClassVar[models.Manager["Workspace"]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    def lock(self) -> None:
        """Wait for this workspace's row and hold it until the transaction ends; limits are counted under it."""
        Workspace.unscoped.select_for_update().values_list("pk").get(pk=self.pk)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A person who may log in. Without a password they cannot, until they set one by e-mail."""
        user = self.model(email=canonical_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=canonical_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail address, who may belong to several workspaces."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    default_workspace = models.ForeignKey(
        Workspace, models.SET_NULL, null=True, blank=True, related_name="default_of_users"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    objects: ClassVar[UserManager] = UserManager()

    def __str__(self) -> str:
        return self.email


class Membership(WorkspaceOwned):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    unscoped: ClassVar[models.Manager["Membership"]] = models.Manager()

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.user_id} of {self.workspace_id}"


class Session(models.Model):
    """One login and the family of refresh tokens that grew from it; ending it ends its access tokens too."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    refresh_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    refreshed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"session {self.pk}"

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now


class ApiKey(WorkspaceOwned):
    """A program's credential. Only a hash of it is kept; `prefix` is its public part, by which it is found."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    role = models.PositiveSmallIntegerField(choices=Role)
    prefix = models.CharField(max_length=16, unique=True)
    key_hash = models.CharField(max_length=64)
    created_by = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="created_api_keys")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    unscoped: ClassVar[models.Manager["ApiKey"]] = models.Manager()

    class Meta(WorkspaceOwned.Meta):
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix} {self.name}"


class Invitation(WorkspaceOwned):
    """A seat offered to an address; the token travels by e-mail, only its hash is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.PositiveSmallIntegerField(choices=Role)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="sent_invitations")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    unscoped: ClassVar[models.Manager["Invitation"]] = models.Manager()

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"], condition=models.Q(accepted_at=None), name="invitation_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class PasswordReset(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="password_resets")
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"password reset {self.pk}"


class SecondFactor(models.Model):
    """Somebody's authenticator app (TOTP, RFC 6238), asked for beside the password where staff log in.

    It counts from `confirmed_at` on, when its first code was shown. `last_step` is the time step of the newest code
    that was accepted: neither it nor an older one is accepted again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(User, models.CASCADE, related_name="second_factor")
    secret = models.CharField(max_length=255, help_text="encrypted: what the app makes its codes of, in base32")
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
        constraints = [models.UniqueConstraint(fields=["factor", "code_hash"], name="recovery_code_once")]

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


class ErasedNumber(WorkspaceOwned):
    """A number that must not be called and not be known either: a keyed hash (see `accounts.erasure`).

    All of a workspace's share one key, which stands in each row.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="erased_numbers")
    digest = models.CharField(max_length=64)
    key = models.TextField(help_text="encrypted, see accounts.erasure")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="erased_number_once")]

    def __str__(self) -> str:
        return f"erased number {self.pk}"


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """What was done stays written: rows are added and read, nothing else."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are never changed")

    def delete(self) -> NoReturn:
        raise TypeError("Audit entries are never deleted")


class AuditEntry(Sealed):
    """Who did what to which object, when, from where.

    Actor and object are copied as text and ids, not referenced: the entry outlives both. `workspace` is null for what
    concerns none (and after the workspace itself is gone).
    """

    class ActorType(models.TextChoices):
        USER = "user"
        API_KEY = "api_key"
        SYSTEM = "system"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.SET_NULL, null=True, blank=True, related_name="audit_entries")
    actor_type = models.CharField(max_length=10, choices=ActorType)
    actor_id = models.UUIDField(null=True, blank=True)
    actor_name = models.CharField(max_length=254, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(auto_now_add=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    changes = models.JSONField(default=dict, blank=True)

    unscoped: ClassVar[models.Manager["AuditEntry"]] = models.Manager.from_queryset(AuditQuerySet)()

    class Meta(Sealed.Meta):
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["workspace", "-at"], name="audit_of_workspace")]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"

    def save(self, *, force_insert: Any = False, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("Audit entries are never changed")
        super().save(force_insert=True, update_fields=update_fields, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are never deleted")


class IdempotentRequest(models.Model):
    """A POST that came with an `Idempotency-Key`, and what was answered.

    `scope` names who asked (a user, a key, or an address without credentials) and where. `answer` is the stored
    response, encrypted, because it may carry a new key or token; null while the first request is still running.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    answer = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return f"idempotent request {self.pk}"


def canonical_email(email: str) -> str:
    """Addresses are compared without regard to case, as every mail provider of weight does."""
    return email.strip().lower()
