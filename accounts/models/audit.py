from collections.abc import Iterable
from typing import Any, ClassVar, NoReturn

from django.db import models

from accounts.models.workspaces import Workspace
from accounts.tenancy import NoDefaultManagerModel
from voiceops.core.ids import uuid7


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Entries can be added and read, never changed or deleted."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Raises TypeError."""
        raise TypeError("Audit entries are never changed")

    def delete(self) -> NoReturn:
        """Raises TypeError."""
        raise TypeError("Audit entries are never deleted")


class AuditEntry(NoDefaultManagerModel):
    """Who did what to which object, when, from where.

    Actor and object are stored as text and ids, not as references, because the entry outlives
    both. `workspace` is null when the action concerns none, and after the workspace is deleted.
    """

    class ActorType(models.TextChoices):
        USER = "user"
        API_KEY = "api_key"
        SYSTEM = "system"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace, models.SET_NULL, null=True, blank=True, related_name="audit_entries"
    )
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

    class Meta(NoDefaultManagerModel.Meta):
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["workspace", "-at"], name="audit_of_workspace")]

    def __str__(self) -> str:
        return f"{self.action} at {self.at:%Y-%m-%d %H:%M:%S}"

    def save(
        self,
        *,
        force_insert: Any = False,
        update_fields: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Insert the entry. Raises TypeError when it is saved already."""
        if not self._state.adding:
            raise TypeError("Audit entries are never changed")
        # An INSERT even if the id exists: an update would change history.
        super().save(force_insert=True, update_fields=update_fields, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises TypeError."""
        raise TypeError("Audit entries are never deleted")
