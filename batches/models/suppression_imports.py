"""Long lists of numbers to suppress, read in the background."""

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7


class SuppressionImport(WorkspaceOwned):
    """One uploaded list and how far it has been read.

    The expiry of the lease is the fencing token: a process that was replaced writes nothing more.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"

        @classmethod
        def open(cls) -> tuple["SuppressionImport.Status", ...]:
            """States in which there is something left to read."""
            return cls.QUEUED, cls.RUNNING

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="suppression_imports")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    error = models.TextField(null=True, blank=True, help_text="why the list cannot be used")
    upload = models.CharField(
        max_length=255, blank=True, default="", help_text="file in DATA_DIR/uploads, until read"
    )
    default_country = models.CharField(max_length=2, null=True, blank=True)
    reason = models.CharField(max_length=255, blank=True, default="")
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="when numbers without an expiry of their own may be called"
    )
    rows_read = models.PositiveIntegerField(default=0)
    rows_total = models.PositiveIntegerField(null=True, blank=True)
    added = models.PositiveIntegerField(default=0)
    already = models.PositiveIntegerField(default=0)
    rejected_count = models.PositiveIntegerField(default=0)
    rejected = models.JSONField(default=list, blank=True, help_text="the first rejected rows")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        indexes = [
            models.Index(fields=["workspace", "-id"], name="suppression_import_newest"),
            models.Index(
                fields=["status"],
                name="suppression_import_open",
                condition=Q(status__in=("queued", "running")),
            ),
        ]

    def __str__(self) -> str:
        return f"import of {self.created_at:%Y-%m-%d %H:%M:%S}"
