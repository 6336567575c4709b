from typing import Any

from drf_spectacular.utils import extend_schema_field

from batches.reporting.summary import CRITERIA
from voiceops.api.fields import Choice, DateTime, Integer, JsonObject, Number, Text
from voiceops.api.serializers import PageQuery, StrictSerializer


class SummaryQuery(PageQuery):
    def get_fields(self) -> dict[str, Any]:
        span = {"from": DateTime(required=False), "to": DateTime(required=False)}
        return {**span, "group_by": Choice(choices=[*CRITERIA], default="day")}


class FiguresSerializer(StrictSerializer):
    calls = Integer()
    ended = Integer()
    answered = Integer()
    answer_rate = Number(allow_null=True)
    outcomes = JsonObject(child=Integer())
    talk_seconds = Number()
    average_talk_seconds = Number(allow_null=True)


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": True})
class Key(Text):
    """What a group has in common: a time, an id, a word, or a number that SIP gives a meaning."""


class GroupSerializer(FiguresSerializer):
    key = Key(allow_null=True)
    name = Text(allow_null=True)


class SummarySerializer(StrictSerializer):
    """For the documentation; the answer is made by `summarize`."""

    group_by = Choice(choices=[*CRITERIA])
    totals = FiguresSerializer()
    groups = GroupSerializer(many=True)

    def get_fields(self) -> dict[str, Any]:
        return {"from": DateTime(), "to": DateTime(), **super().get_fields()}
