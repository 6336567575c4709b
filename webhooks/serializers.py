from typing import Any

from accounts.api.related_fields import WorkspaceSerializer
from voiceops.api.fields import ListField
from voiceops.api.serializers import Boolean, Choice, DateTime, PageQuery, Text, Url
from webhooks.models import EVENTS, WebhookDelivery, WebhookEndpoint, all_events


class WebhookSerializer(WorkspaceSerializer):
    url = Url(max_length=2000)
    description = Text(max_length=200, allow_blank=True, default="")
    events = ListField(child=Choice(choices=EVENTS), min_length=1, default=all_events)
    enabled = Boolean(source="is_enabled", default=True)

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id",
            "url",
            "description",
            "events",
            "enabled",
            "disabled_reason",
            "failing_since",
            "created_at",
        ]
        read_only_fields = ["disabled_reason", "failing_since"]

    def validate_events(self, events: list[str]) -> list[str]:
        return list(dict.fromkeys(events))


class NewWebhookSerializer(WebhookSerializer):
    """Documents the responses that carry a new secret."""

    secret = Text(read_only=True)

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]


class DeliverySerializer(WorkspaceSerializer):
    """A delivery in the log: the receiver's status, never the body of its response."""

    event = Text(source="event.type", read_only=True)
    event_id = Text(source="event.message_id", read_only=True)
    next_attempt_at = DateTime(source="due_at", read_only=True, allow_null=True)

    class Meta:
        model = WebhookDelivery
        fields = [
            "id",
            "event",
            "event_id",
            "status",
            "attempts",
            "response_status",
            "error",
            "duration_ms",
            "created_at",
            "last_attempt_at",
            "delivered_at",
            "next_attempt_at",
        ]
        read_only_fields = fields

    def to_representation(self, instance: WebhookDelivery) -> dict[str, Any]:
        """Set `next_attempt_at` to null once no attempt is left."""
        body = super().to_representation(instance)
        pending = instance.status == WebhookDelivery.Status.PENDING
        return body if pending else {**body, "next_attempt_at": None}


class DeliveryQuery(PageQuery):
    status = Choice(choices=WebhookDelivery.Status.values, required=False)
    event = Choice(choices=[*EVENTS, "webhook.test"], required=False)
