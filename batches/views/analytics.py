from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from batches.reporting.summary import CRITERIA, summarize
from telephony.models import Call
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


class AnalyticsViewSet(WorkspaceViewSet):
    model = Call
    query_class = SummaryQuery
    access = {"summary": Role.MEMBER}

    @extend_schema(parameters=[SummaryQuery], responses=SummarySerializer)
    @action(detail=False, methods=["get"])
    def summary(self, request: Request) -> Response:
        """Calls, answer rate, outcomes and talk time from `from` (30 days ago; by hour: a day) until `to` (now)."""
        query = self.query
        told = summarize(
            workspace=self.workspace,
            group_by=query["group_by"],
            now=timezone.now(),
            since=query.get("from"),
            until=query.get("to"),
        )
        return Response(told)
