from datetime import datetime, timedelta
from typing import Any, ClassVar

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceSerializer
from voiceops.api.errors import field_error
from voiceops.api.fields import ListField
from voiceops.api.serializers import (
    Boolean,
    Choice,
    DateTime,
    PageQuery,
    StrictSerializer,
    Text,
    Url,
)
from webhooks.delivery import request_headers
from webhooks.models import (
    EVENTS,
    WebhookDelivery,
    WebhookEndpoint,
    all_events,
    message_id_of,
)

# Of one endpoint. Repeated names count once; a list this long is no list of events.
MAX_EVENTS = 100


class WebhookSerializer(WorkspaceSerializer):
    url = Url(max_length=2000)
    description = Text(max_length=200, allow_blank=True, default="")
    events = ListField(
        child=Choice(choices=EVENTS), min_length=1, max_length=MAX_EVENTS, default=all_events
    )
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
    """A delivery in the log: the receiver's status, without payload and answer."""

    computed_from: ClassVar = {
        "event_id": ["event_id"],
        "next_attempt_at": ["due_at", "status"],
    }
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

    def read_event_id(self, delivery: Any) -> str:
        return message_id_of(delivery.event_id)

    def read_next_attempt_at(self, delivery: Any) -> datetime | None:
        """When it is sent again; null once no attempt is left."""
        is_pending = delivery.status == WebhookDelivery.Status.PENDING
        due_at: datetime | None = delivery.due_at
        return due_at if is_pending else None


class AnswerSerializer(serializers.Serializer[Any]):
    """What the receiver answered to the last attempt; `status` is null when nothing came."""

    status = serializers.IntegerField(allow_null=True)
    body = serializers.CharField(help_text="the first 500 bytes")
    error = serializers.CharField(allow_null=True)
    duration_ms = serializers.IntegerField()


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with what was sent and what was answered, for those who look for a mistake."""

    needs_instances: ClassVar = True

    payload = serializers.SerializerMethodField()
    headers = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField()

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "payload", "headers", "answer"]
        read_only_fields = fields

    def get_payload(self, delivery: WebhookDelivery) -> dict[str, Any]:
        """The body of the request, parsed."""
        payload: dict[str, Any] = orjson.loads(delivery.event.body)
        return payload

    @extend_schema_field(
        serializers.DictField(
            child=serializers.CharField(),
            allow_null=True,
            help_text="of the last attempt, signed with the webhook's present secrets; "
            "null before the first",
        )
    )
    def get_headers(self, delivery: WebhookDelivery) -> dict[str, str] | None:
        if delivery.last_attempt_at is None:
            return None
        duration = timedelta(milliseconds=delivery.duration_ms or 0)
        return request_headers(delivery, delivery.last_attempt_at - duration)

    @extend_schema_field(AnswerSerializer(allow_null=True))
    def get_answer(self, delivery: WebhookDelivery) -> dict[str, Any] | None:
        if delivery.last_attempt_at is None:
            return None
        return {
            "status": delivery.response_status,
            "body": delivery.response_excerpt,
            "error": delivery.error,
            "duration_ms": delivery.duration_ms,
        }


class RedeliverySerializer(StrictSerializer):
    """Which deliveries to send again: of events from `from` until before `to`."""

    to = DateTime()
    status = Choice(choices=WebhookDelivery.Status.values, required=False)
    event = Choice(choices=[*EVENTS, "webhook.test"], required=False)

    def get_fields(self) -> dict[str, Any]:
        # `from` is a keyword, so that it cannot be an attribute.
        return {"from": DateTime(), **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["to"] <= attrs["from"]:
            problem = field_error("value_error", "must be later than from")
            raise serializers.ValidationError({"to": problem.detail})
        return attrs


class QueuedSerializer(serializers.Serializer[Any]):
    queued = serializers.IntegerField()


class DeliveryQuery(PageQuery):
    status = Choice(choices=WebhookDelivery.Status.values, required=False)
    event = Choice(choices=[*EVENTS, "webhook.test"], required=False)
