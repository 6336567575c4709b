"""Saved reports."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import DestroyMixin, ListMixin, RetrieveMixin, WorkspaceViewSet
from accounts.roles import Role
from batches.models import SavedReport
from batches.serializers.saved_reports import SavedReportSerializer, SubscribeSerializer
from batches.services import saved_reports
from voiceops.core.clock import database_now


class SavedReportViewSet(
    ListMixin, RetrieveMixin, mixins.CreateModelMixin, DestroyMixin, WorkspaceViewSet
):
    model = SavedReport
    serializer_class = SavedReportSerializer
    sortable = {"created_at": "created_at", "name": "name"}
    actions_without_body = ("unsubscribe",)
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.MEMBER,
        "destroy": Role.MANAGER,
        "subscribe": Role.MEMBER,
        "unsubscribe": Role.MEMBER,
    }

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("workspace")

    def get_serializer_context(self) -> dict[str, Any]:
        # Not in the rows' query: its statement is kept, and serves other users of the workspace.
        rows = self.workspace.report_subscriptions.filter(user=self.principal.user)
        subscribed = set(rows.values_list("report", flat=True)) if self.principal.user else set()
        return {**super().get_serializer_context(), "subscribed": subscribed}

    def perform_create(self, serializer: BaseSerializer[SavedReport]) -> None:
        serializer.instance = saved_reports.save_report(
            workspace=self.workspace, principal=self.principal, **serializer.validated_data
        )

    def perform_destroy(self, instance: SavedReport) -> None:
        saved_reports.delete_report(report=instance, principal=self.principal)

    @extend_schema(request=SubscribeSerializer, responses=SavedReportSerializer)
    @action(detail=True, methods=["post"])
    def subscribe(self, request: Request, pk: str) -> Response:
        """Sends the report to the user who asks, each Monday."""
        report = self.get_object()
        saved_reports.subscribe(
            report=report,
            user=self.user,
            principal=self.principal,
            now=database_now(),
            language=self.validate_body(SubscribeSerializer)["language"],
        )
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=SavedReportSerializer)
    @action(detail=True, methods=["post"])
    def unsubscribe(self, request: Request, pk: str) -> Response:
        """Ends the weekly e-mail of the user who asks."""
        saved_reports.unsubscribe(
            report=self.get_object(), user=self.user, principal=self.principal
        )
        return Response(self.get_serializer(self.get_object()).data)
