"""Suppression lists: one number at a time, or a file."""

from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.exports import ExportingViewSet
from accounts.api.viewsets import DestroyMixin, ListMixin, RetrieveMixin, WorkspaceViewSet
from accounts.roles import Role
from batches.models import Suppression, SuppressionImport, SuppressionQuerySet
from batches.serializers.suppressions import (
    ImportedSerializer,
    SuppressionExportQuery,
    SuppressionImportSerializer,
    SuppressionListSerializer,
    SuppressionQuery,
    SuppressionSerializer,
)
from batches.services import suppressions
from batches.services.suppression_files import RowDefaults
from batches.services.suppression_imports import import_suppressions
from batches.views.parsers import FormWithFile
from voiceops.api.parsers import JSONParser


class SuppressionViewSet(ListMixin, mixins.CreateModelMixin, DestroyMixin, ExportingViewSet):
    model = Suppression
    serializer_class = SuppressionSerializer
    query_class = SuppressionQuery
    export_name = "suppressions"
    parser_classes = (JSONParser, FormWithFile, FormParser)
    sortable = {
        "created_at": "created_at",
        "phone_number": "phone_number",
        "expires_at": "expires_at",
    }
    slow_actions = ("import_list", "export_csv")
    required_roles = {
        "list": Role.MEMBER,
        "export_csv": Role.MEMBER,
        "create": Role.MANAGER,
        "destroy": Role.MANAGER,
        "import_list": Role.MANAGER,
    }

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        if "search" in query:
            queryset = queryset.filter(phone_number__contains=query["search"])
        if "source" in query:
            queryset = queryset.filter(source=query["source"])
        if "active" in query:
            assert isinstance(queryset, SuppressionQuerySet)
            # With `active=false` exactly the others, so that the two lists add up.
            now = timezone.now()
            queryset = queryset.active_at(now) if query["active"] else queryset.expired_at(now)
        return queryset

    def perform_create(self, serializer: BaseSerializer[Suppression]) -> None:
        serializer.instance = suppressions.suppress_number(
            workspace=self.workspace,
            now=timezone.now(),
            principal=self.principal,
            **serializer.validated_data,
        )

    def perform_destroy(self, instance: Suppression) -> None:
        suppressions.lift_suppression(suppression=instance, principal=self.principal)

    @extend_schema(parameters=[SuppressionExportQuery], responses={(200, "text/csv"): str})
    @action(detail=False, methods=["get"], url_path=r"export\.csv")
    def export_csv(self, request: Request) -> HttpResponseBase:
        """The numbers that the list's filters find, newest first, as CSV."""
        return self.respond_with_file("csv for spreadsheets", "csv")

    @extend_schema(
        request={"multipart/form-data": SuppressionListSerializer},
        responses={200: ImportedSerializer, 201: SuppressionImportSerializer},
    )
    @action(detail=False, methods=["post"], url_path="import")
    def import_list(self, request: Request) -> Response:
        """Add every number of a file: `{added, already, rejected_count, rejected: [...]}`.

        At most 1,000 of the rejected rows are listed. A file of more than 20,000 rows is read in
        the background: 201 with its import, whose progress `GET /suppressions/imports/{id}` has.
        """
        fields = self.validate_body(SuppressionListSerializer)
        path = Path(fields.pop("file").temporary_file_path())
        result = import_suppressions(
            workspace=self.workspace,
            path=path,
            defaults=RowDefaults(**fields),
            principal=self.principal,
        )
        if isinstance(result, SuppressionImport):
            context = self.get_serializer_context()
            return Response(SuppressionImportSerializer(result, context=context).data, status=201)
        return Response(result._asdict())


class SuppressionImportViewSet(ListMixin, RetrieveMixin, WorkspaceViewSet):
    """Long lists that are, or were, read in the background."""

    model = SuppressionImport
    serializer_class = SuppressionImportSerializer
    required_roles = {"list": Role.MEMBER, "retrieve": Role.MEMBER}
