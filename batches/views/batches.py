"""Batches: created with a list, changed, started and stopped."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import (
    DestroyMixin,
    ListMixin,
    PatchMixin,
    RetrieveMixin,
    WorkspaceViewSet,
)
from accounts.auth.principal import is_still_valid
from accounts.roles import Role
from batches.models import Batch
from batches.reporting.progress import progress_of
from batches.serializers.batches import (
    BatchQuery,
    BatchSerializer,
    CloneSerializer,
    ProgressSerializer,
    StopSerializer,
)
from batches.services import batches as services
from batches.services.clone import ALL, clone_batch
from batches.services.create import create_batch
from batches.services.update import update_batch
from batches.views.lists import LIST_PARSERS, NEW_BATCH_FORMS, form_of, pop_content
from batches.views.progress import stream_progress, wants_events

STATE_CHANGE = extend_schema(request=None, responses={200: BatchSerializer})


class BatchViewSet(ListMixin, RetrieveMixin, PatchMixin, DestroyMixin, WorkspaceViewSet):
    model = Batch
    serializer_class = BatchSerializer
    query_class = BatchQuery
    lookup_value_converter = "str"
    parser_classes = LIST_PARSERS
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
        "clone": Role.MANAGER,
        "progress": Role.MEMBER,
    }

    # Serializers read the number's pace, services the workspace's settings.
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

    @extend_schema(request=NEW_BATCH_FORMS, responses={201: BatchSerializer})
    def create(self, request: Request) -> Response:
        fields = self.validate_body(form_of(request, NEW_BATCH_FORMS))
        content = pop_content(fields)
        batch = create_batch(content=content, principal=self.principal, **fields)
        return self._batch_response(batch, status=201)

    def perform_update(self, serializer: BaseSerializer[Batch]) -> None:
        batch = serializer.instance
        assert batch is not None
        serializer.instance = update_batch(
            batch=batch, changes=serializer.validated_data, principal=self.principal
        )

    def perform_destroy(self, instance: Batch) -> None:
        services.delete_batch(batch=instance, principal=self.principal)

    @STATE_CHANGE
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        batch = services.start_batch(batch=self.get_object(), principal=self.principal)
        return self._batch_response(batch)

    @STATE_CHANGE
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        batch = services.pause_batch(batch=self.get_object(), principal=self.principal)
        return self._batch_response(batch)

    @STATE_CHANGE
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        batch = services.resume_batch(batch=self.get_object(), principal=self.principal)
        return self._batch_response(batch)

    @extend_schema(request=StopSerializer, responses={200: BatchSerializer})
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        batch = self.get_object()
        fields = self.validate_body(StopSerializer)
        services.stop_batch(
            batch=batch, principal=self.principal, hang_up_active=fields["hang_up_active"]
        )
        return self._batch_response(batch)

    @extend_schema(request=CloneSerializer, responses={201: BatchSerializer})
    @action(detail=True, methods=["post"])
    def clone(self, request: Request, pk: str) -> Response:
        """Creates a batch with the same settings and recipients, or some of them."""
        batch = self.get_object()
        only = self.validate_body(CloneSerializer).get("only", ALL)
        return self._batch_response(
            clone_batch(batch=batch, only=only, principal=self.principal), status=201
        )

    @extend_schema(
        responses={(200, "application/json"): ProgressSerializer, (200, "text/event-stream"): str}
    )
    @action(detail=True, methods=["get"])
    def progress(self, request: Request, pk: str) -> HttpResponseBase:
        batch = self.get_object()
        # A stream may outlive the login or key that opened it.
        if wants_events(request):
            return stream_progress(
                batch, has_access=lambda: is_still_valid(self.principal, now=timezone.now())
            )
        return Response(progress_of(batch, now=timezone.now()))

    def _batch_response(self, batch: Batch, *, status: int = 200) -> Response:
        serializer = BatchSerializer(batch, context=self.get_serializer_context())
        return Response(serializer.data, status=status)
