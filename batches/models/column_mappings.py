"""Saved meanings of a list's columns."""

from django.db import models

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7


class SavedMapping(WorkspaceOwned):
    """A named column mapping. It applies by itself to uploaded lists that have these columns."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="saved_mappings")
    name = models.CharField(max_length=200)
    column_mapping = models.JSONField()
    default_country = models.CharField(max_length=2, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(WorkspaceOwned.Meta):
        verbose_name = "column mapping"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="saved_mapping_name")
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="saved_mapping_newest")]

    def __str__(self) -> str:
        return self.name
