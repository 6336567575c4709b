"""Bodies of callbacks."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceRelatedField, WorkspaceSerializer
from agents.models import Agent
from batches.dialing.number_zones import zone_of_callee
from batches.models import Callback, Recipient
from batches.serializers.fields import ScheduledTime, in_zone
from voiceops.api.errors import field_error
from voiceops.api.serializers import Choice, PageQuery, Phone, Text, Uuid

MAX_REMARK_LENGTH = 2000
MAX_CALLBACK_DAYS = 36_500
AT_HELP = "date and time; without an offset by the callee's clock. Answers are UTC"


class CallbackSerializer(WorkspaceSerializer):
    """A call that is to be made at a time that the callee asked for."""

    at = ScheduledTime(help_text=AT_HELP)
    phone_number = Phone(max_length=64, required=False, help_text="another number than usual")

    class Meta:
        model = Callback
        fields = [
            "id",
            "recipient_id",
            "batch_id",
            "agent_id",
            "phone_number",
            "at",
            "status",
            "moved_reason",
            "call_id",
            "created_at",
        ]
        read_only_fields = ["status", "moved_reason", "call_id", "created_at"]

    def get_fields(self) -> dict[str, Any]:
        # The API's name of a remark.
        remark = Text(
            source="remark", max_length=MAX_REMARK_LENGTH, allow_blank=True, required=False
        )
        return {**super().get_fields(), "note": remark}

    recipient_id = serializers.UUIDField(read_only=True, allow_null=True)
    batch_id = serializers.UUIDField(read_only=True, allow_null=True)
    agent_id = serializers.UUIDField(read_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        at: datetime | None = attrs.get("at")
        if at is not None and at.tzinfo is None:
            number = attrs.get("phone_number") or str(getattr(self.instance, "phone_number", ""))
            recipient = attrs.get("recipient") or getattr(self.instance, "recipient", None)
            at = attrs["at"] = self.instant_of(at, number, recipient)
        # Calendars end in the year 9999, and a window would be looked for after it.
        if at is not None and at > timezone.now() + timedelta(days=MAX_CALLBACK_DAYS):
            text = "expected a time within the next hundred years"
            raise serializers.ValidationError({"at": field_error("value_error", text).detail})
        return attrs

    def instant_of(self, at: datetime, number: str, recipient: Recipient | None) -> datetime:
        """Return the instant of a naive time by the clock of the recipient's list, else that of the
        number, else the workspace's.

        Raises ValidationError for a time that this clock skips.
        """
        own_zones: str | None = getattr(recipient, "timezone", None)
        zone = zone_of_callee(number, own_zones, self.context["workspace"].timezone)
        try:
            return in_zone(at, zone)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"at": error.detail}) from error


class NewCallbackSerializer(CallbackSerializer):
    """`recipient_id`, or `agent_id` and `to`."""

    # Read as an id, written as a row of the workspace.
    recipient_id = WorkspaceRelatedField(  # type: ignore[assignment]
        source="recipient", queryset=Recipient.unscoped.all(), required=False
    )
    agent_id = WorkspaceRelatedField(  # type: ignore[assignment]
        source="agent", queryset=Agent.unscoped.live(), required=False
    )
    to = Phone(
        max_length=64, required=False, write_only=True, help_text="whom to call, with `agent_id`"
    )

    class Meta(CallbackSerializer.Meta):
        fields = [*CallbackSerializer.Meta.fields, "to"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError unless it is either a recipient, or an agent and a number."""
        recipient: Recipient | None = attrs.get("recipient")
        missing = field_error("value_error.missing").detail
        if recipient is None:
            errors = {
                name: missing
                for name, field in (("agent_id", "agent"), ("to", "to"))
                if field not in attrs
            }
            if len(errors) > 1:
                errors = {"recipient_id": missing}
            if errors:
                raise serializers.ValidationError(errors)
        elif "agent" in attrs or "to" in attrs:
            other = "agent_id" if "agent" in attrs else "to"
            text = "give either recipient_id, or agent_id and to"
            raise serializers.ValidationError({other: field_error("value_error", text).detail})
        to = attrs.pop("to", None)
        number = attrs.get("phone_number") or to or (recipient and recipient.phone_number)
        attrs["phone_number"] = number
        return super().validate(attrs)


class CallbackQuery(PageQuery):
    status = Choice(choices=Callback.Status.values, required=False)
    recipient_id = Uuid(required=False)
    batch_id = Uuid(required=False)


def serialize_callback(callback: Callback) -> Mapping[str, Any]:
    """Return a callback's JSON, as the API and webhooks have it."""
    fields = ("id", "recipient_id", "batch_id", "agent_id", "phone_number", "at", "status")
    more = ("moved_reason", "call_id", "created_at")
    data = {name: getattr(callback, name) for name in (*fields, *more)}
    return {**data, "note": callback.remark}
