from django.db import models

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7


class Suppression(WorkspaceOwned):
    """A number never to be called by this workspace: checked at upload and again at the intent."""

    class Source(models.TextChoices):
        MANUAL = "manual"
        IMPORT = "import"
        OPT_OUT = "opt_out"
        BLOCKED = "blocked"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="suppressions")
    phone_number = models.CharField(max_length=16)
    reason = models.CharField(max_length=255, blank=True, default="")
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.MANUAL)
    proof = models.CharField(
        max_length=500, blank=True, default="", help_text="where the wish stands on record"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["workspace", "phone_number"], name="suppression_once")
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="suppression_newest")]

    def __str__(self) -> str:
        return f"suppression {self.pk}"
