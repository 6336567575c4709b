"""The query and the documentation of /analytics/summary."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from batches.reporting.summary import GROUPINGS
from telephony.serializers.calls import CostField, LatencyField
from voiceops.api.fields import Choice, DateTime, Integer, JsonObject, Number, Text
from voiceops.api.serializers import PageQuery, StrictSerializer


class SummaryQuery(PageQuery):
    def get_fields(self) -> dict[str, Any]:
        span = {"from": DateTime(required=False), "to": DateTime(required=False)}
        return {**span, "group_by": Choice(choices=[*GROUPINGS], default="day")}


class FiguresSerializer(StrictSerializer):
    calls = Integer()
    ended = Integer()
    answered = Integer()
    answer_rate = Number(allow_null=True)
    outcomes = JsonObject(child=Integer())
    talk_seconds = Number()
    average_talk_seconds = Number(allow_null=True)


@extend_schema_field({"type": ["string", "integer", "null"]})
class Key(Text):
    """What the calls of a group share: a time, an id, an outcome, or a SIP status code."""


class GroupSerializer(FiguresSerializer):
    key = Key(allow_null=True)
    name = Text(allow_null=True)
    cost = CostField(
        required=False, allow_null=True, help_text="With `group_by=agent_version` only."
    )
    latency = LatencyField(
        required=False,
        allow_null=True,
        help_text="With `group_by=agent_version` only: the middle call's `answer_to_audio` and "
        "`p50`, and the `p95` that 95 % of the calls do not exceed.",
    )


class SummarySerializer(StrictSerializer):
    """The figures of a time span, in total and by group."""

    group_by = Choice(choices=[*GROUPINGS])
    totals = FiguresSerializer()
    groups = GroupSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        return {"from": DateTime(), "to": DateTime(), **super().get_fields()}
