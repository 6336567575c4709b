from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from telephony.models.calls import Call
from voiceops.core.ids import uuid7


class CallEvent(WorkspaceOwned):
    """One event of a call's timeline, in words.

    `external_id` is the id that its source gave to it, so that a repeated report adds nothing.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="call_events")
    call = models.ForeignKey(Call, models.CASCADE, related_name="events")
    type = models.CharField(max_length=64)
    text = models.CharField(max_length=500)
    at = models.DateTimeField()
    data = models.JSONField(default=dict, blank=True)
    external_id = models.CharField(max_length=128, null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            # NULLs are distinct, so events to which their source gave no id never collide.
            models.UniqueConstraint(fields=["call", "external_id"], name="call_event_once")
        ]
        indexes = [
            models.Index(fields=["call", "at", "id"], name="call_event_timeline"),
            models.Index(fields=["at"], name="call_event_alarms", condition=Q(type="alarm")),
        ]

    def __str__(self) -> str:
        return f"{self.type} at {self.at:%Y-%m-%d %H:%M:%S}"


class Turn(WorkspaceOwned):
    """One utterance of the transcript."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="turns")
    call = models.ForeignKey(Call, models.CASCADE, related_name="turns")
    role = models.CharField(max_length=16)
    text = models.TextField()
    started_at = models.DateTimeField()
    interrupted = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True, blank=True)
    language = models.CharField(max_length=35, null=True, blank=True)
    latency = models.JSONField(
        null=True, blank=True, help_text="seconds: end_of_turn, stt, llm, tts, total"
    )
    external_id = models.CharField(max_length=128)

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["call", "external_id"], name="turn_once")]
        indexes = [models.Index(fields=["call", "started_at", "id"], name="turn_order")]

    def __str__(self) -> str:
        return f"turn at {self.started_at:%Y-%m-%d %H:%M:%S}"
