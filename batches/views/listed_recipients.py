"""The lists that a number stands in."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from batches.models import Recipient
from batches.reporting.next_calls import NextCall, next_calls
from batches.reporting.reasons import explain
from batches.serializers.recipients import ListedRecipientSerializer, NumberQuery


class ListedRecipientViewSet(WorkspaceViewSet):
    model = Recipient
    serializer_class = ListedRecipientSerializer
    query_class = NumberQuery
    required_roles = {"list": Role.MEMBER}

    @extend_schema(parameters=[NumberQuery], responses=ListedRecipientSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The rows of lists in which a number stands, newest first, each with its next call."""
        rows = self.get_queryset().filter(phone_number=self.query["phone_number"])
        page = self.paginate_queryset(rows.select_related("batch__workspace")) or []
        calls = next_calls(self.workspace, page, timezone.now())
        bodies = [_body_of(row, call) for row, call in zip(page, calls, strict=True)]
        return self.get_paginated_response(self.get_serializer(bodies, many=True).data)


def _body_of(recipient: Recipient, call: NextCall | None) -> dict[str, Any]:
    own = ("id", "batch_id", "row_number", "phone_number", "status", "reason", "attempts")
    next_call = None
    if call is not None:
        next_call = {"at": call.at, "code": call.rule, **explain(call.rule)._asdict()}
    return {
        **{name: getattr(recipient, name) for name in own},
        "outcome": recipient.outcome,
        "batch_name": recipient.batch.name,
        "batch_status": recipient.batch.status,
        "variables": recipient.variables_in(recipient.batch),
        "next_call": next_call,
    }
