from typing import Self

from django.db import models
from django.db.models import Q


class InboxQuerySet(models.QuerySet["InboxEvent"]):
    def about_room(self, room: str, *events: str) -> Self:
        """Return the webhooks of these kinds about a room, oldest first."""
        return self.filter(room=room, event__in=events).order_by("received_at", "pk")


class InboxEvent(models.Model):
    """A webhook of LiveKit as it arrived, stored before it changes anything.

    LiveKit repeats, reorders and loses them. The row belongs to no workspace: its call does.
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
            # Of staff's list, and of the retention.
            models.Index(fields=["received_at"], name="inbox_newest"),
            models.Index(
                fields=["received_at"], name="inbox_waiting", condition=Q(applied_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.event_id}"
