"""The bodies of calls."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceRelatedField
from agents.models import Agent
from telephony.models import PUBLIC_STATUS, Call, Direction, Outcome, PhoneNumber
from voiceops.api.compiled_reads import ReadsValues
from voiceops.api.errors import field_error
from voiceops.api.money import CostSerializer
from voiceops.api.serializers import (
    CAPPED,
    EXACT,
    Choice,
    DateTime,
    JsonObject,
    Number,
    Phone,
    StrictSerializer,
    Text,
    Uuid,
    WalkQuery,
    without_pages,
)
from voiceops.core.errors import Invalid
from voiceops.core.phone_numbers import normalize_spelling, to_e164
from voiceops.core.prices import describe_amount

PUBLIC_STATUSES = list(dict.fromkeys(PUBLIC_STATUS.values()))


class PublicStatus(serializers.ChoiceField):
    """The status that a stage of a call counts as."""

    def to_representation(self, value: Any) -> str:
        return PUBLIC_STATUS[value]


class Duration(serializers.FloatField):
    """The seconds from answer to end, rounded to milliseconds; None when one is missing."""

    columns = ("answered_at", "ended_at")

    def to_representation(self, value: Any) -> Any:
        return seconds_between(value.answered_at, value.ended_at)


class UsageSerializer(serializers.Serializer[Any]):
    """What one model counted. `cost` is null where the price table has no price."""

    kind = serializers.CharField()
    provider = serializers.CharField()
    model = serializers.CharField()
    input_tokens = serializers.FloatField(required=False)
    output_tokens = serializers.FloatField(required=False)
    characters = serializers.FloatField(required=False)
    seconds = serializers.FloatField(required=False)
    cost = serializers.FloatField(allow_null=True)


class LatencySerializer(serializers.Serializer[Any]):
    """Seconds from the answer to the agent's first word, and from the callee's last word on."""

    answer_to_audio = serializers.FloatField(allow_null=True)
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)


@extend_schema_field(UsageSerializer(many=True))
class UsageField(serializers.ListField):
    """What the call's models counted, as it is stored."""


@extend_schema_field(CostSerializer)
class CostField(serializers.Field[Any, Any, Any, Any]):
    """What the priced models of the call cost together, from millionths."""

    def to_representation(self, value: Any) -> dict[str, Any]:
        return describe_amount(value)


@extend_schema_field(LatencySerializer)
class LatencyField(serializers.DictField):
    """The figures of the call, as they are stored."""


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from start to end, rounded to milliseconds; None when one is missing."""
    return None if start is None or end is None else round((end - start).total_seconds(), 3)


def serialize_call(call: Call) -> dict[str, Any]:
    """Return a call's JSON from an instance with its `agent_version` loaded."""
    body: dict[str, Any] = CallSerializer(call).data
    return body


class CallSerializer(ReadsValues, StrictSerializer):
    """One call."""

    id = serializers.UUIDField(read_only=True)
    direction = serializers.ChoiceField(Direction.choices, read_only=True)
    to = serializers.CharField(source="to_number", read_only=True)
    agent_id = serializers.UUIDField(read_only=True, allow_null=True)
    agent_version = serializers.IntegerField(
        source="agent_version.number", read_only=True, allow_null=True
    )
    batch_id = serializers.UUIDField(read_only=True, allow_null=True)
    recipient_id = serializers.UUIDField(read_only=True, allow_null=True)
    attempt = serializers.IntegerField(read_only=True)
    status = PublicStatus(PUBLIC_STATUSES, source="stage", read_only=True)
    outcome = serializers.ChoiceField(Outcome.choices, read_only=True, allow_null=True)
    end_reason = serializers.CharField(read_only=True, allow_null=True)
    hung_up_by = serializers.ChoiceField(
        ["callee", "agent", "operator"], read_only=True, allow_null=True
    )
    sip_status_code = serializers.IntegerField(read_only=True, allow_null=True)
    sip_status = serializers.CharField(read_only=True, allow_null=True)
    variables = serializers.DictField(read_only=True)
    metadata = serializers.DictField(read_only=True)
    disposition = serializers.CharField(
        read_only=True, allow_null=True, help_text="how it went, one of the agent's dispositions"
    )
    disposition_by = serializers.ChoiceField(
        ["agent", "analysis", "operator"], read_only=True, allow_null=True
    )
    usage = UsageField(read_only=True, allow_null=True)
    cost = CostField(source="cost_micros", read_only=True, allow_null=True)
    latency = LatencyField(read_only=True, allow_null=True)
    has_recording = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    dialed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    ringing_at = serializers.DateTimeField(read_only=True, allow_null=True)
    answered_at = serializers.DateTimeField(read_only=True, allow_null=True)
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)
    duration_seconds = Duration(source="*", read_only=True, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        # `from` is a keyword, so that it cannot be an attribute.
        caller = serializers.CharField(source="from_number", read_only=True)
        fields = {**super().get_fields(), "from": caller}
        return {name: fields[name] for name in ("id", "direction", "from", *fields)}


class CallOrderSerializer(StrictSerializer):
    """The body of `POST /calls`."""

    agent_id = WorkspaceRelatedField(source="agent", queryset=Agent.unscoped.live())
    to = Phone(max_length=64)
    from_number_id = WorkspaceRelatedField(
        source="number", queryset=PhoneNumber.unscoped.all(), required=False, allow_null=True
    )
    variables = JsonObject(required=False)
    metadata = JsonObject(required=False)


class WebCallSerializer(StrictSerializer):
    """The body of `POST /calls/web`."""

    agent_id = WorkspaceRelatedField(source="agent", queryset=Agent.unscoped.live())
    variables = JsonObject(required=False)


class TransferSerializer(StrictSerializer):
    to = Phone(max_length=64)


class CallDispositionSerializer(StrictSerializer):
    """The body of `POST /calls/{id}/disposition`: one of the agent's dispositions."""

    name = Text(max_length=64)

    def get_fields(self) -> dict[str, Any]:
        # The API's name of a remark.
        remark = Text(max_length=2000, required=False, allow_blank=True)
        return {**super().get_fields(), "note": remark}


class DtmfKeys(Text):
    """Keys of a telephone; `w` waits half a second."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not re.fullmatch(r"[0-9*#A-Da-dw]+", text):
            raise field_error("value_error", "only 0 to 9, *, #, A to D and w are permitted")
        return text


class DtmfSerializer(StrictSerializer):
    digits = DtmfKeys(max_length=64)


class NumberSearchText(Text):
    """A number to search for, in any spelling.

    Spaces are dropped, because a plus sign that was not percent-encoded arrives as one.
    """

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        spelling = normalize_spelling(text)
        digits = "".join(str(int(character)) for character in spelling if character.isdecimal())
        if not digits or any(character.isalpha() for character in spelling):
            return text
        try:
            # A number of an old numbering plan was called in its new form.
            return to_e164(f"+{digits}")
        except Invalid:
            return f"+{digits}"


class CallQuery(WalkQuery):
    status = Choice(choices=PUBLIC_STATUSES, required=False)
    outcome = Choice(choices=Outcome.values, required=False)
    direction = Choice(choices=Direction.values, required=False)
    agent_id = Uuid(required=False)
    batch_id = Uuid(required=False)
    to = NumberSearchText(required=False, max_length=64)
    started_after = DateTime(required=False)
    started_before = DateTime(required=False)
    min_duration = Number(required=False, min_value=0, max_value=86_400)
    search = Text(required=False, max_length=200)
    total = Choice(
        choices=(EXACT, CAPPED),
        required=False,
        help_text="`capped` counts no further than 10,001, which means more than 10,000: for "
        "pages that need no exact number of a long list. `exact` unless given.",
    )

    def get_fields(self) -> dict[str, Any]:
        # `from` is a keyword, so that it cannot be an attribute.
        return {**super().get_fields(), "from": NumberSearchText(required=False, max_length=64)}


class ExportQuery(CallQuery):
    """The filters of the list; an export has all that they find."""

    def get_fields(self) -> dict[str, Any]:
        return without_pages(super().get_fields())


class EventSerializer(ReadsValues):
    id = serializers.UUIDField()
    type = serializers.CharField()
    text = serializers.CharField()
    at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        # A serializer has an attribute `data` of its own.
        return {**super().get_fields(), "data": serializers.DictField()}


class TurnLatencySerializer(serializers.Serializer[Any]):
    """Parts of the time from the callee's last word to the agent's first, in seconds."""

    end_of_turn = serializers.FloatField(required=False)
    stt = serializers.FloatField(required=False)
    llm = serializers.FloatField(required=False)
    tts = serializers.FloatField(required=False)
    total = serializers.FloatField(required=False)


class TurnSerializer(ReadsValues):
    """One utterance; the last three only where the agent reported them."""

    role = serializers.CharField()
    text = serializers.CharField()
    started_at = serializers.DateTimeField()
    interrupted = serializers.BooleanField()
    ended_at = serializers.DateTimeField(required=False)
    language = serializers.CharField(required=False)
    latency = TurnLatencySerializer(required=False)


class TranscriptSerializer(serializers.Serializer[Mapping[str, Any]]):
    turns = TurnSerializer(many=True)


@extend_schema_serializer(component_name="Findings")
class AnalysisSerializer(serializers.Serializer[Mapping[str, Any]]):
    """What the agent found out, as its `analysis` setting asks."""

    summary = serializers.CharField(allow_null=True)
    analyzed_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        # A serializer has an attribute `fields` of its own.
        return {**super().get_fields(), "fields": serializers.DictField()}


class RecordingLinkSerializer(serializers.Serializer[Mapping[str, Any]]):
    url = serializers.URLField()
    expires_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="WebSeat")
class BrowserTokenSerializer(serializers.Serializer[Mapping[str, Any]]):
    call_id = serializers.UUIDField()
    url = serializers.URLField()
    token = serializers.CharField()
    room = serializers.CharField()
