"""What is remembered: who did what, what was answered, and whom to forget."""

from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

from django.db import models

from accounts.models.workspaces import Workspace
from accounts.tenancy import Sealed, WorkspaceOwned
from voiceops.core.ids import uuid7


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
