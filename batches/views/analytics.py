from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from batches.reporting.summary import summarize
from batches.serializers.analytics import SummaryQuery, SummarySerializer
from telephony.models import Call


class AnalyticsViewSet(WorkspaceViewSet):
    model = Call
    query_class = SummaryQuery
    required_roles = {"summary": Role.MEMBER}

    @extend_schema(parameters=[SummaryQuery], responses=SummarySerializer)
    @action(detail=False, methods=["get"])
    def summary(self, request: Request) -> Response:
        """Calls, answer rate, outcomes and talk time from `from` (30 days ago; by hour: a day)
        until `to` (now).
        """
        query = self.query
        told = summarize(
            workspace=self.workspace,
            group_by=query["group_by"],
            now=timezone.now(),
            since=query.get("from"),
            until=query.get("to"),
        )
        return Response(told)
