"""Suppression lists: one number at a time, or a file."""

from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.parsers import FormParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import DestroyMixin, WorkspaceViewSet
from accounts.roles import Role
from batches.models import Suppression, SuppressionQuerySet
from batches.serializers.suppressions import (
    ImportedSerializer,
    SuppressionListSerializer,
    SuppressionQuery,
    SuppressionSerializer,
)
from batches.services import suppressions
from batches.services.suppression_files import read_suppression_file
from batches.views.parsers import FormWithFile
from voiceops.api.parsers import JSONParser


class SuppressionViewSet(
    mixins.ListModelMixin, mixins.CreateModelMixin, DestroyMixin, WorkspaceViewSet
):
    model = Suppression
    serializer_class = SuppressionSerializer
    query_class = SuppressionQuery
    parser_classes = (JSONParser, FormWithFile, FormParser)
    sortable = {
        "created_at": "created_at",
        "phone_number": "phone_number",
        "expires_at": "expires_at",
    }
    slow_actions = ("import_list",)
    required_roles = {
        "list": Role.MEMBER,
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

    @extend_schema(
        request={"multipart/form-data": SuppressionListSerializer}, responses=ImportedSerializer
    )
    @action(detail=False, methods=["post"], url_path="import")
    def import_list(self, request: Request) -> Response:
        """Add every number of a file: `{added, already, rejected_count, rejected: [...]}`.

        At most 1,000 of the rejected rows are listed.
        """
        fields = self.validate_body(SuppressionListSerializer)
        now = timezone.now()
        read = read_suppression_file(
            Path(fields.pop("file").temporary_file_path()), now=now, **fields
        )
        added = suppressions.suppress_numbers(
            workspace=self.workspace, rows=read.rows, now=now, principal=self.principal
        )
        rejected = {"rejected_count": read.rejected_count, "rejected": read.rejected}
        return Response({**added._asdict(), **rejected})
