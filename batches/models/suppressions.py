"""Numbers that a workspace must not call."""

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7
from voiceops.core.pii import mask_number


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    """Query set of suppressions."""

    def active_at(self, instant: datetime) -> Self:
        """Return the suppressions in force at the instant."""
        return self.filter(_active_at(instant))

    def expired_at(self, instant: datetime) -> Self:
        """Return the suppressions that are no longer in force at the instant."""
        return self.exclude(_active_at(instant))


def _active_at(instant: datetime) -> Q:
    return Q(expires_at=None) | Q(expires_at__gt=instant)


class Suppression(WorkspaceOwned):
    """A number that the workspace must not call: checked at the import and again before a dial."""

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
        max_length=500, blank=True, default="", help_text="where the callee's request is on record"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    unscoped: ClassVar[models.Manager["Suppression"]] = SuppressionQuerySet.as_manager()

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            # An import relies on it to merge with rows that others write meanwhile.
            models.UniqueConstraint(fields=["workspace", "phone_number"], name="suppression_once")
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="suppression_newest")]

    def __str__(self) -> str:
        return mask_number(self.phone_number)
