from django.db import models

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from telephony.models.calls import Call
from voiceops.core.ids import uuid7


class Recording(WorkspaceOwned):
    """The recording of a call, from the first that is known of its egress at LiveKit."""

    class Status(models.TextChoices):
        PENDING = "pending"
        READY = "ready"
        FAILED = "failed"
        PRUNED = "pruned"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="recordings")
    call = models.OneToOneField(Call, models.CASCADE, related_name="recording")
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PENDING)
    egress_id = models.CharField(max_length=64, blank=True, default="")
    storage_key = models.CharField(max_length=255, help_text="recordings/<workspace>/<call>.<ext>")
    size_bytes = models.BigIntegerField(null=True, blank=True)
    duration_seconds = models.FloatField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        indexes = [models.Index(fields=["egress_id"], name="recording_egress")]

    def __str__(self) -> str:
        return f"recording of {self.created_at:%Y-%m-%d %H:%M:%S}"
