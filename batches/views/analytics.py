"""Figures of calls over time."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from batches.reporting.summary import find_span, summarize
from batches.serializers.analytics import SummaryQuery, SummarySerializer
from telephony.models import Call


class AnalyticsViewSet(WorkspaceViewSet):
    model = Call
    query_class = SummaryQuery
    required_roles = {"summary": Role.MEMBER}

    @extend_schema(parameters=[SummaryQuery], responses=SummarySerializer)
    @action(detail=False, methods=["get"])
    def summary(self, request: Request) -> Response:
        """Calls, answer rate, outcomes and talk time between two instants.

        `from` is 30 days ago by default (by hour: a day), `to` is now.
        """
        span = find_span(
            workspace=self.workspace,
            group_by=self.query["group_by"],
            now=timezone.now(),
            since=self.query.get("from"),
            until=self.query.get("to"),
        )
        if span.is_large:
            self.reserve_place(request)
        return Response(summarize(workspace=self.workspace, span=span))
