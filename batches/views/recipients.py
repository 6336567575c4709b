"""A batch's recipients, and the rows that were rejected."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.lookup import not_found, parse_id
from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from accounts.tenancy import NoDefaultManagerModel
from batches.models import Batch, Recipient, RejectedRow
from batches.reporting.progress import COUNTED_FILTERS, numbers_of
from batches.reporting.reasons import reasons_of
from batches.serializers.recipients import (
    ReasonCountSerializer,
    ReasonSerializer,
    RecipientQuery,
    RecipientSerializer,
    RejectedRowSerializer,
)
from batches.services.review import close_recipient, release_recipient
from batches.views.lists import LIST_PARSERS, AppendViewSet
from voiceops.api.errors import query_error

BATCH_ID = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="of the batch")
RECIPIENT_ID = OpenApiParameter("recipient_id", UUID, OpenApiParameter.PATH)
DECISION = extend_schema(
    parameters=[BATCH_ID, RECIPIENT_ID],
    request=ReasonSerializer,
    responses={200: RecipientSerializer},
)


class BatchRowsViewSet(WorkspaceViewSet):
    """The rows of one batch, in the order of its list."""

    abstract = True
    model = Batch

    row_model: type[NoDefaultManagerModel]
    batch_columns: tuple[str, ...]  # what the rows' bodies need of their batch
    count_rows: Callable[..., QuerySet[Any]] | None = None

    def refine_queryset(self, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        return queryset.select_related("phone_number", "workspace")

    def list(self, request: Request, pk: str) -> Response:
        batch = self.read_columns("id", *self.batch_columns)
        return self.read_page(
            self.get_serializer_class(),
            list_in_file_order,
            model=self.row_model,
            unique="row_number",
            context={"batch": batch, "now": timezone.now()},
            count=self.count_rows,
            batch=batch.id,
        )


@extend_schema(parameters=[BATCH_ID])
class RecipientViewSet(AppendViewSet, BatchRowsViewSet):
    serializer_class = RecipientSerializer
    row_model = Recipient
    count_rows = staticmethod(numbers_of)
    batch_columns = ("variable_names",)
    query_class = RecipientQuery
    parser_classes = LIST_PARSERS
    required_roles = {
        "list": Role.MEMBER,
        "create": Role.MANAGER,
        "release": Role.MANAGER,
        "close": Role.MANAGER,
    }

    def position_of(self, name: str, recipient_id: UUID) -> int:
        """Return a recipient's row, 0 for the nil id. Raises ValidationError (422 in `query`)."""
        if not recipient_id.int:
            return 0
        rows = self.workspace.recipients.filter(batch_id=self.kwargs["pk"], pk=recipient_id)
        row_number: int | None = rows.values_list("row_number", flat=True).first()
        if row_number is None:
            raise query_error(name, "no recipient of this batch has this id")
        return row_number

    @DECISION
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str, recipient_id: str) -> Response:
        return self._decide(release_recipient, recipient_id, default="released")

    @DECISION
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str, recipient_id: str) -> Response:
        return self._decide(close_recipient, recipient_id, default="closed")

    def _decide(
        self, decide: Callable[..., Recipient], recipient_id: str, *, default: str
    ) -> Response:
        # The recipient has to exist before the body is read.
        batch: Batch = self.get_row()
        recipient = batch.recipients.filter(pk=parse_id(recipient_id, Recipient)).first()
        if recipient is None:
            raise not_found(Recipient)
        reason = self.validate_body(ReasonSerializer).get("reason") or default
        decide(recipient=recipient, reason=reason, principal=self.principal)
        context = {**self.get_serializer_context(), "batch": batch, "now": timezone.now()}
        rows = RecipientSerializer.values_of(batch.recipients.filter(pk=recipient.pk))
        return Response(RecipientSerializer.read(rows, context)[0])


@extend_schema(parameters=[BATCH_ID])
class RejectedRowViewSet(BatchRowsViewSet):
    serializer_class = RejectedRowSerializer
    row_model = RejectedRow
    batch_columns = ("columns",)
    required_roles = {"list": Role.MEMBER}


def list_in_file_order(rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
    """Return a batch's rows that the query asks for."""
    filters = {name: query[name] for name in COUNTED_FILTERS if name in query}
    return rows.filter(**filters).order_by("row_number")


@extend_schema(parameters=[BATCH_ID])
class ReasonViewSet(WorkspaceViewSet):
    model = Batch
    serializer_class = ReasonCountSerializer
    required_roles = {"list": Role.MEMBER}

    def refine_queryset(self, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        return queryset.select_related("workspace")

    @extend_schema(responses=ReasonCountSerializer(many=True))
    def list(self, request: Request, pk: str) -> Response:
        """Why recipients are not called, or not yet, the most frequent reason first."""
        batch: Batch = self.get_object()
        return self.get_paginated_response(self.paginate_queryset(reasons_of(batch)))
