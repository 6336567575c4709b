"""Bodies of recipients and rejected rows."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceSerializer
from batches.models import Recipient, RejectedRow
from batches.models.recipients import split_numbers
from batches.reporting.tables import last_sent_call
from telephony.models import Outcome
from voiceops.api.serializers import (
    Choice,
    DateTime,
    Integer,
    PageQuery,
    Phone,
    StrictSerializer,
    Text,
    Uuid,
    WalkQuery,
)


class ReasonSerializer(StrictSerializer):
    reason = Text(max_length=64, required=False, allow_blank=True)


class ReasonCountSerializer(StrictSerializer):
    """Why recipients are not called, in words, and how many they are."""

    code = Text(help_text="as in a recipient's `reason` or a rejected row's `error_code`")
    text = Text(help_text="the reason as a sentence")
    next_step = Text(allow_blank=True, help_text="what can be done about it")
    count = Integer(help_text="how many recipients or rejected rows")


class AlternativeNumbers(serializers.ListField):
    """The numbers after the first."""

    columns = ("other_numbers",)

    def to_representation(self, data: Any) -> list[str]:
        return split_numbers(data.other_numbers)


class RecipientSerializer(WorkspaceSerializer):
    """A recipient of a batch."""

    # The view passes `batch` and `now`.

    variables = serializers.SerializerMethodField()
    next_attempt_at = serializers.SerializerMethodField()
    last_call_id = Uuid(source="last_sent_call", read_only=True, allow_null=True)
    alternative_numbers = AlternativeNumbers(
        source="*",
        child=serializers.CharField(),
        read_only=True,
        help_text="Tried in this order when the number before does not exist",
    )

    computed_from: ClassVar = {
        "variables": ["values"],
        "next_attempt_at": ["due_at", "status"],
    }
    annotations: ClassVar = {"last_sent_call": last_sent_call()}

    class Meta:
        model = Recipient
        fields = [
            "id",
            "row_number",
            "phone_number",
            "variables",
            "status",
            "reason",
            "attempts",
            "outcome",
            "disposition",
            "disposition_by",
            "callback_at",
            "next_attempt_at",
            "last_call_id",
            "external_id",
            "alternative_numbers",
            "priority",
            "timezone",
        ]

    def get_variables(self, recipient: Recipient) -> dict[str, Any]:
        return Recipient.variables_in(recipient, self.context["batch"])

    @extend_schema_field(DateTime(allow_null=True))
    def get_next_attempt_at(self, recipient: Recipient) -> str | None:
        """The time of the planned retry, or when the calling window opens."""
        due_at = recipient.due_at
        if due_at is None:
            return None
        is_waiting = recipient.status == Recipient.Status.RETRYING or due_at > self.context["now"]
        return DateTime().to_representation(due_at) if is_waiting else None


class RejectedRowSerializer(WorkspaceSerializer):
    computed_from: ClassVar = {"values": ["values"]}
    values = serializers.SerializerMethodField()

    class Meta:
        model = RejectedRow
        fields = ["row_number", "error_code", "error_message", "values"]

    def get_values(self, row: RejectedRow) -> dict[str, Any]:
        return dict(zip(self.context["batch"].columns, row.values, strict=False))


class NextCallSerializer(StrictSerializer):
    """When a person is called next, and which rule decides it."""

    at = DateTime(allow_null=True, help_text="null for not before somebody acts")
    code = Text(help_text="of the rule, as in a recipient's `reason`")
    text = Text(help_text="the rule as a sentence")
    next_step = Text(allow_blank=True, help_text="what can be done about it")


class ListedRecipientSerializer(StrictSerializer):
    """One row of a list in which a number stands, and its next call."""

    id = Uuid(help_text="of the recipient")
    batch_id = Uuid()
    batch_name = Text()
    batch_status = Text(help_text="as in a batch's `status`")
    row_number = Integer()
    phone_number = Text()
    variables = serializers.DictField()
    status = Text(help_text="as in a recipient's `status`")
    reason = Text(allow_null=True)
    attempts = Integer()
    outcome = Text(allow_null=True)
    next_call = NextCallSerializer(
        allow_null=True, help_text="null during a call, and where no further call follows"
    )


class NumberInQuery(Phone):
    """A number in a query, where a plus sign that was not percent-encoded arrives as a blank."""

    def to_internal_value(self, data: Any) -> str:
        """Raises Invalid."""
        text = str(data)
        is_plus_lost = text.startswith(" ") and text.strip()[:1].isdigit()
        return super().to_internal_value(f"+{text.strip()}" if is_plus_lost else data)


class NumberQuery(PageQuery):
    phone_number = NumberInQuery(help_text="in any international spelling")


class RecipientQuery(WalkQuery):
    status = Choice(choices=Recipient.Status.values, required=False)
    outcome = Choice(choices=Outcome.values, required=False)
    reason = Text(max_length=64, required=False)
