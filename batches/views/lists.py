"""Lists of recipients in a request's body: one is previewed, one is appended to a batch."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from batches.models import Batch
from batches.serializers.batches import (
    AppendSerializer,
    BatchSerializer,
    NewBatchSerializer,
    NewPreviewSerializer,
    PreviewSerializer,
)
from batches.services.create import append_recipients
from batches.services.preview import preview_list
from batches.services.uploads import UploadContent
from batches.views.parsers import FormWithFile, LongJSON

LIST_PARSERS = (LongJSON, FormWithFile)
NEW_BATCH_FORMS = {
    "multipart/form-data": NewBatchSerializer,
    "application/json": NewBatchSerializer,
}
PREVIEW_FORMS = {
    "multipart/form-data": NewPreviewSerializer,
    "application/json": NewPreviewSerializer,
}
APPEND_FORMS = {
    "multipart/form-data": AppendSerializer,
    "application/json": AppendSerializer,
}


class PreviewViewSet(WorkspaceViewSet):
    model = Batch
    serializer_class = PreviewSerializer
    parser_classes = LIST_PARSERS
    slow_actions = ("preview",)
    required_roles = {"preview": Role.MANAGER}

    @extend_schema(request=PREVIEW_FORMS, responses={200: PreviewSerializer})
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """What a list would come to, as a new batch; nothing is stored."""
        fields = self.validate_body(NewPreviewSerializer)
        content = pop_content(fields)
        return Response(preview_list(content=content, now=timezone.now(), **fields))


# POST /batches/{id}/recipients, for the viewset that lists them. A docstring would be published.
class AppendViewSet(WorkspaceViewSet):
    abstract = True
    model = Batch

    @extend_schema(request=APPEND_FORMS, responses={201: BatchSerializer})
    def create(self, request: Request, pk: str) -> Response:
        batch: Batch = self.get_object()
        fields = self.validate_body(AppendSerializer)
        content = pop_content(fields)
        batch = append_recipients(batch=batch, content=content, principal=self.principal, **fields)
        context = self.get_serializer_context()
        return Response(BatchSerializer(batch, context=context).data, status=201)


def pop_content(fields: dict[str, Any]) -> UploadContent:
    """Remove the list from a body's validated fields and return it."""
    file = fields.pop("file", None)
    recipients: Sequence[dict[str, Any]] = fields.pop("recipients", [])
    return recipients if file is None else file.chunks()
