from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import DestroyMixin, PatchMixin, WorkspaceViewSet
from accounts.auth.principal import is_still_valid
from accounts.roles import Role
from batches.models import Batch
from batches.reporting import exports, xlsx
from batches.reporting.progress import progress_of
from batches.serializers.batches import (
    BatchQuery,
    BatchSerializer,
    NewBatchSerializer,
    PreviewSerializer,
    ProgressSerializer,
    StopSerializer,
)
from batches.services import batches as services
from batches.services.create import create_batch
from batches.services.preview import preview_list
from batches.services.update import update_batch
from batches.services.uploads import UploadContent
from batches.views.parsers import FormWithFile, LongJSON
from batches.views.progress import stream_progress, wants_events

LIST_FORMS = {"multipart/form-data": NewBatchSerializer, "application/json": NewBatchSerializer}
ORDER = extend_schema(request=None, responses={200: BatchSerializer})


class BatchViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, PatchMixin, DestroyMixin, WorkspaceViewSet
):
    model = Batch
    serializer_class = BatchSerializer
    query_class = BatchQuery
    lookup_value_converter = "str"
    parser_classes = (LongJSON, FormWithFile)
    sortable = {
        "created_at": "created_at",
        "name": "name",
        "status": "status",
        "started_at": "started_at",
    }
    actions_without_body = ("start", "pause", "resume")
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.MANAGER,
        "partial_update": Role.MANAGER,
        "destroy": Role.MANAGER,
        "start": Role.MANAGER,
        "pause": Role.MANAGER,
        "resume": Role.MANAGER,
        "stop": Role.MANAGER,
        "preview": Role.MANAGER,
        "progress": Role.MEMBER,
        "results_csv": Role.MEMBER,
        "results_xlsx": Role.MEMBER,
        "rejected_csv": Role.MEMBER,
    }

    def refine_queryset(self, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        return queryset.select_related("phone_number", "workspace")

    def apply_filters(self, queryset: QuerySet[Batch], query: dict[str, Any]) -> QuerySet[Batch]:
        if "status" in query:
            queryset = queryset.filter(status=query["status"])
        if "agent_id" in query:
            queryset = queryset.filter(agent=query["agent_id"])
        if "search" in query:
            queryset = queryset.filter(name__icontains=query["search"])
        return queryset

    @extend_schema(request=LIST_FORMS, responses={201: BatchSerializer})
    def create(self, request: Request) -> Response:
        fields = self._read(NewBatchSerializer)
        batch = create_batch(content=content_of(fields), principal=self.principal, **fields)
        return Response(self._shown(batch), status=201)

    def perform_update(self, serializer: BaseSerializer[Batch]) -> None:
        batch = serializer.instance
        assert batch is not None
        serializer.instance = update_batch(
            batch=batch, changes=serializer.validated_data, principal=self.principal
        )

    def perform_destroy(self, instance: Batch) -> None:
        services.delete_batch(batch=instance, principal=self.principal)

    @ORDER
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        batch = self.get_object()
        return Response(self._shown(services.start_batch(batch=batch, principal=self.principal)))

    @ORDER
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        batch = self.get_object()
        return Response(self._shown(services.pause_batch(batch=batch, principal=self.principal)))

    @ORDER
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        batch = self.get_object()
        return Response(self._shown(services.resume_batch(batch=batch, principal=self.principal)))

    @extend_schema(request=StopSerializer, responses={200: BatchSerializer})
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        batch = self.get_object()
        order = self._read(StopSerializer)
        services.stop_batch(
            batch=batch, principal=self.principal, hang_up_active=order["hang_up_active"]
        )
        return Response(self._shown(batch))

    @extend_schema(request=LIST_FORMS, responses={200: PreviewSerializer})
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        fields = self._read(NewBatchSerializer)
        return Response(preview_list(content=content_of(fields), now=timezone.now(), **fields))

    @extend_schema(
        responses={(200, "application/json"): ProgressSerializer, (200, "text/event-stream"): str}
    )
    @action(detail=True, methods=["get"])
    def progress(self, request: Request, pk: str) -> HttpResponseBase:
        batch = self.get_object()
        if wants_events(request):
            return stream_progress(
                batch.pk, has_access=lambda: is_still_valid(self.principal, now=timezone.now())
            )
        return Response(progress_of(batch, now=timezone.now()))

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="results.csv")
    def results_csv(self, request: Request, pk: str) -> HttpResponseBase:
        return exports.export(self.get_object(), "results.csv", principal=self.principal)

    @extend_schema(responses={(200, xlsx.MEDIA_TYPE): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="results.xlsx")
    def results_xlsx(self, request: Request, pk: str) -> HttpResponseBase:
        return exports.export(self.get_object(), "results.xlsx", principal=self.principal)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="rejected.csv")
    def rejected_csv(self, request: Request, pk: str) -> HttpResponseBase:
        return exports.export(self.get_object(), "rejected.csv", principal=self.principal)

    def _read(self, kind: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """The body through a serializer. Raises ValidationError (422)."""
        serializer = kind(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        return fields

    def _shown(self, batch: Batch) -> dict[str, Any]:
        return dict(BatchSerializer(batch, context=self.get_serializer_context()).data)


def content_of(fields: dict[str, Any]) -> UploadContent:
    """Take the list out of a body's fields."""
    file = fields.pop("file", None)
    recipients: list[dict[str, Any]] = fields.pop("recipients", [])
    return recipients if file is None else file.chunks()
