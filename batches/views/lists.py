"""Lists of recipients in a request's body: one is previewed, one is appended to a batch."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.utils import html

from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from batches.models import Batch
from batches.serializers.batches import (
    AppendSerializer,
    AppendUploadSerializer,
    BatchSerializer,
    NewBatchSerializer,
    NewBatchUploadSerializer,
    NewPreviewSerializer,
    NewPreviewUploadSerializer,
    PreviewSerializer,
)
from batches.services.create import append_recipients
from batches.services.preview import preview_list
from batches.services.uploads import UploadContent
from batches.views.parsers import FormWithFile, LongJSON

LIST_PARSERS = (LongJSON, FormWithFile)
FORM = "multipart/form-data"
JSON = "application/json"
NEW_BATCH_FORMS = {FORM: NewBatchUploadSerializer, JSON: NewBatchSerializer}
PREVIEW_FORMS = {FORM: NewPreviewUploadSerializer, JSON: NewPreviewSerializer}
APPEND_FORMS = {FORM: AppendUploadSerializer, JSON: AppendSerializer}


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
        fields = self.validate_body(form_of(request, PREVIEW_FORMS))
        content = pop_content(fields)
        return Response(preview_list(content=content, now=timezone.now(), **fields))


# POST /batches/{id}/recipients, for the viewset that lists them. A docstring would be published.
class AppendViewSet(WorkspaceViewSet):
    abstract = True
    model = Batch

    @extend_schema(request=APPEND_FORMS, responses={201: BatchSerializer})
    def create(self, request: Request, pk: str) -> Response:
        batch: Batch = self.get_object()
        fields = self.validate_body(form_of(request, APPEND_FORMS))
        content = pop_content(fields)
        batch = append_recipients(batch=batch, content=content, principal=self.principal, **fields)
        context = self.get_serializer_context()
        return Response(BatchSerializer(batch, context=context).data, status=201)


def form_of(
    request: Request, forms: Mapping[str, type[BaseSerializer[Any]]]
) -> type[BaseSerializer[Any]]:
    """Return the serializer of the form that a body was sent in: a file, or JSON."""
    return forms[FORM if html.is_html_input(request.data) else JSON]


def pop_content(fields: dict[str, Any]) -> UploadContent:
    """Remove the list from a body's validated fields and return it."""
    file = fields.pop("file", None)
    recipients: Sequence[dict[str, Any]] = fields.pop("recipients", [])
    return recipients if file is None else file.chunks()
