from typing import Self

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from telephony.models.calls import Call
from voiceops.core.ids import uuid7


class CallEvent(WorkspaceOwned):
    """One line of a call's timeline, in words. `external_id` is the reporter's own id: a repeat changes nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="call_events")
    call = models.ForeignKey(Call, models.CASCADE, related_name="events")
    type = models.CharField(max_length=64)
    text = models.CharField(max_length=500)
    at = models.DateTimeField()
    data = models.JSONField(default=dict, blank=True)
    external_id = models.CharField(max_length=128, null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["call", "external_id"], name="call_event_once")]
        indexes = [
            models.Index(fields=["call", "at", "id"], name="call_event_timeline"),
            models.Index(fields=["at"], name="call_event_alarms", condition=Q(type="alarm")),
        ]

    def __str__(self) -> str:
        return f"{self.type} of call {self.call_id}"


class Turn(WorkspaceOwned):
    """One utterance of the transcript."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="turns")
    call = models.ForeignKey(Call, models.CASCADE, related_name="turns")
    role = models.CharField(max_length=16)
    text = models.TextField()
    started_at = models.DateTimeField()
    interrupted = models.BooleanField(default=False)
    external_id = models.CharField(max_length=128)

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["call", "external_id"], name="turn_once")]
        indexes = [models.Index(fields=["call", "started_at", "id"], name="turn_order")]

    def __str__(self) -> str:
        return f"turn {self.pk} of call {self.call_id}"


class Recording(WorkspaceOwned):
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
        return f"recording of call {self.call_id}"


class InboxQuerySet(models.QuerySet["InboxEvent"]):
    def told_of(self, room: str, *events: str) -> Self:
        """What came in about a room, oldest first."""
        return self.filter(room=room, event__in=events).order_by("received_at", "pk")


class InboxEvent(models.Model):
    """A webhook as it came in: stored before it changes anything, because LiveKit repeats, reorders and loses them.

    Belongs to no workspace: the call it speaks of decides that, once it is applied.
    """

    event_id = models.CharField(primary_key=True, max_length=128)
    event = models.CharField(max_length=64)
    room = models.CharField(max_length=256)
    body = models.JSONField()
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)

    objects = InboxQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["room", "received_at"], name="inbox_room"),
            models.Index(fields=["received_at"], name="inbox_waiting", condition=Q(applied_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.event_id}"
