from django.db import models

from accounts.models.workspaces import Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7


class ErasedNumber(WorkspaceOwned):
    """The keyed hash of a number that must not be called and not be known either.

    The rows of a workspace share one key, which each of them holds
    (accounts.services.erased_numbers).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="erased_numbers")
    digest = models.CharField(max_length=64)
    key = models.TextField(help_text="encrypted")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["workspace", "digest"], name="erased_number_once")
        ]

    def __str__(self) -> str:
        return f"erased number {self.pk}"
