"""Callbacks: calls that a callee asked for, at a time of their own."""

from typing import TypeAlias

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from agents.models import Agent
from batches.models.batches import Batch
from batches.models.recipients import Recipient
from voiceops.core.ids import uuid7


class CallbackStatus(models.TextChoices):
    """A callback's states. Everything else refers to it as `Callback.Status`."""

    SCHEDULED = "scheduled"
    MOVED = "moved"
    DIALING = "dialing"
    DONE = "done"
    MISSED = "missed"
    CANCELLED = "cancelled"

    @classmethod
    def active(cls) -> tuple["CallbackStatus", ...]:
        """States that wait for the time of the call."""
        return cls.SCHEDULED, cls.MOVED


class Callback(WorkspaceOwned):
    """An appointment to call somebody: a recipient of a batch, or any number with an agent.

    `at` is when the call is due, inside the calling window; `requested_at` what was asked for.
    """

    Status: TypeAlias = CallbackStatus

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="callbacks")
    batch = models.ForeignKey(
        Batch, models.CASCADE, null=True, blank=True, related_name="callbacks"
    )
    recipient = models.ForeignKey(
        Recipient, models.CASCADE, null=True, blank=True, related_name="callbacks"
    )
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="callbacks")
    phone_number = models.CharField(max_length=16)
    variables = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()
    requested_at = models.DateTimeField()
    status = models.CharField(
        max_length=9, choices=CallbackStatus.choices, default=CallbackStatus.SCHEDULED
    )
    moved_reason = models.CharField(max_length=255, null=True, blank=True)
    remark = models.TextField(blank=True, default="", help_text="`note` in the API")
    # An id and not a foreign key, because calls outlive their batch.
    call_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["recipient"],
                name="callback_one_active",
                condition=Q(status__in=[*CallbackStatus.active()]),
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="callback_newest"),
            models.Index(fields=["workspace", "ended_at"], name="callback_ended"),
            models.Index(
                fields=["at"],
                name="callback_open",
                condition=Q(status__in=[*CallbackStatus.active(), CallbackStatus.DIALING]),
            ),
        ]

    def __str__(self) -> str:
        return f"callback at {self.at:%Y-%m-%d %H:%M}"
