from datetime import datetime, timedelta
from typing import ClassVar, Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7

TEST_EVENT = "webhook.test"
EVENTS = (
    "call.started",
    "call.answered",
    "call.ended",
    "call.recording_ready",
    "call.analyzed",
    "call.disposition",
    "batch.started",
    "batch.paused",
    "batch.resumed",
    "batch.completed",
    "batch.stopped",
    "batch.failed",
    "recipient.finished",
    "callback.scheduled",
    "callback.done",
    "callback.missed",
)


def all_events() -> list[str]:
    return list(EVENTS)


class WebhookEndpoint(WorkspaceOwned):
    """A customer's URL that events are sent to. Its secrets are stored encrypted (signing.py)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True, default="")
    events = models.JSONField(default=all_events)
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=200, null=True, blank=True)
    secret = models.TextField(blank=True, default="", help_text="encrypted, see webhooks.signing")
    previous_secret = models.TextField(
        blank=True, default="", help_text="encrypted, see webhooks.signing"
    )
    previous_secret_until = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="null when the last attempt succeeded"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        indexes = [models.Index(fields=["workspace", "-id"], name="webhook_endpoint_newest")]

    def __str__(self) -> str:
        return self.url


class WebhookEvent(WorkspaceOwned):
    """An event as it is sent. `key` identifies it, so that it is stored once however often it is
    found.

    `body` is text and not JSON, because what is sent must equal what was signed, byte for byte.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="webhook_events")
    type = models.CharField(max_length=40)
    key = models.CharField(max_length=120)
    body = models.TextField()
    at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], name="webhook_event_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="webhook_event_age")]

    def __str__(self) -> str:
        return f"{self.type} at {self.at:%Y-%m-%d %H:%M:%S}"

    @property
    def message_id(self) -> str:
        """The `webhook-id` header: the same at every attempt, so that receivers can deduplicate."""
        return message_id_of(self.pk)


def message_id_of(event_id: object) -> str:
    """Return the `webhook-id` header of an event's deliveries."""
    return f"msg_{UUID(str(event_id)).hex}"


class DeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def due(self, now: datetime) -> Self:
        """Filter to pending deliveries of enabled endpoints whose next attempt is due."""
        return self.filter(
            status=WebhookDelivery.Status.PENDING, due_at__lte=now, endpoint__is_enabled=True
        )


class WebhookDelivery(WorkspaceOwned):
    """One event on its way to one endpoint.

    `due_at` is the time of the next attempt; during an attempt it is the end of the lease.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    # Well over the 15 seconds that a receiver may take, so that only dead workers lose a lease.
    LEASE: ClassVar[timedelta] = timedelta(seconds=60)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="webhook_deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(WebhookEvent, models.CASCADE, related_name="deliveries")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_excerpt = models.TextField(
        blank=True, default="", db_default="", help_text="the beginning of the answer's body"
    )
    error = models.CharField(max_length=100, null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    unscoped: ClassVar[models.Manager["WebhookDelivery"]] = DeliveryQuerySet.as_manager()

    class Meta(WorkspaceOwned.Meta):
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="webhook_delivery_once")
        ]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_newest"),
            models.Index(
                fields=["due_at"], name="webhook_delivery_due", condition=Q(status="pending")
            ),
            # So that an endpoint's next is found whatever backlog the others have.
            models.Index(
                fields=["endpoint", "due_at"],
                name="webhook_delivery_next",
                condition=Q(status="pending"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event.type} to {self.endpoint}"

    def claim(self, now: datetime) -> bool:
        """Lease the delivery. Returns True to exactly one worker.

        If that worker dies, the delivery is due again when the lease ends.
        """
        # Compare and set: whoever finds `due_at` unchanged has the lease.
        unclaimed = WebhookDelivery.unscoped.filter(
            pk=self.pk, status=self.Status.PENDING, due_at=self.due_at
        )
        self.due_at = now + self.LEASE
        return bool(unclaimed.update(due_at=self.due_at))


class WebhookCursor(models.Model):
    """How far events have been collected. One row, whose lock lets one worker collect at a time."""

    name = models.CharField(primary_key=True, max_length=20)
    position = models.DateTimeField()
    state = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name
