from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import cached_property
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api import WorkspaceViewSet, missing, parse_id
from accounts.roles import Role
from batches.models import Batch, Recipient, RejectedRow
from batches.results import last_calls
from batches.serializers import (
    AppendSerializer,
    BatchSerializer,
    ReasonSerializer,
    RecipientQuery,
    RecipientSerializer,
    RejectedRowSerializer,
)
from batches.services.intake import append_recipients
from batches.services.review import close_recipient, release_recipient
from batches.views.batches import content_of
from batches.views.parsers import FormWithFile, LongJSON


class OfBatch(WorkspaceViewSet):
    """Rows of the batch in the path, in the order of its list."""

    abstract = True

    @cached_property
    def batch(self) -> Batch:
        """Raises NotFound for a batch that is not there or another workspace's."""
        found = self.workspace.batches.select_related("phone_number", "workspace")
        batch = found.filter(pk=parse_id(self.kwargs["batch_id"], Batch)).first()
        if batch is None:
            raise missing(Batch)
        return batch

    def narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(batch=self.batch)

    def sorted(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.order_by("row_number")

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "batch": self.batch}


class RecipientViewSet(OfBatch):
    model = Recipient
    serializer_class = RecipientSerializer
    query_class = RecipientQuery
    parser_classes = (LongJSON, FormWithFile, FormParser)
    access = {"list": Role.MEMBER, "create": Role.MANAGER, "release": Role.MANAGER, "close": Role.MANAGER}

    def sift(self, queryset: QuerySet[Recipient], query: dict[str, Any]) -> QuerySet[Recipient]:
        wanted = {name: query[name] for name in ("status", "outcome") if name in query}
        return queryset.filter(**wanted)

    def list(self, request: Request, batch_id: str) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self._shown(page or []))

    def create(self, request: Request, batch_id: str) -> Response:
        batch = self.batch
        content = content_of(self._read(AppendSerializer))
        append_recipients(batch=batch, content=content, access=self.caller)
        return Response(BatchSerializer(batch, context=self.get_serializer_context()).data, status=201)

    @action(detail=True, methods=["post"])
    def release(self, request: Request, batch_id: str, pk: str) -> Response:
        recipient = self.get_object()
        reason = self._read(ReasonSerializer).get("reason") or "released"
        release_recipient(recipient=recipient, reason=reason, access=self.caller)
        return Response(self._shown([recipient])[0])

    @action(detail=True, methods=["post"])
    def close(self, request: Request, batch_id: str, pk: str) -> Response:
        recipient = self.get_object()
        reason = self._read(ReasonSerializer).get("reason") or "closed"
        close_recipient(recipient=recipient, reason=reason, access=self.caller)
        return Response(self._shown([recipient])[0])

    def _read(self, kind: type[BaseSerializer[Any]]) -> dict[str, Any]:
        serializer = kind(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        return fields

    def _shown(self, people: Any) -> Any:
        calls = last_calls([person.pk for person in people])
        context = {**self.get_serializer_context(), "calls": calls, "now": timezone.now()}
        return RecipientSerializer(people, many=True, context=context).data


class RejectedRowViewSet(mixins.ListModelMixin, OfBatch):
    model = RejectedRow
    serializer_class = RejectedRowSerializer
    access = {"list": Role.MEMBER}
