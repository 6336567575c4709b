from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request

from accounts.api.exports import ExportingViewSet
from accounts.api.viewsets import ListMixin
from accounts.models import AuditEntry
from accounts.roles import Role
from accounts.serializers.audit import (
    AuditEntrySerializer,
    AuditExportQuery,
    AuditQuery,
    ExportedEntrySerializer,
)


class AuditLogViewSet(ListMixin, ExportingViewSet):
    model = AuditEntry
    serializer_class = AuditEntrySerializer
    query_class = AuditQuery
    export_name = "audit_log"
    export_serializer = ExportedEntrySerializer
    slow_actions = ("export_csv",)
    required_roles = {"list": Role.ADMIN, "export_csv": Role.ADMIN}
    columns: ClassVar[Mapping[str, str]] = {
        "actor": "actor_id",
        "action": "action",
        "object_type": "object_type",
        "object_id": "object_id",
        "after": "at__gte",
        "before": "at__lt",
        "from": "at__gte",
        "to": "at__lt",
    }

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        if "object" in query:
            queryset = queryset.filter(
                Q(object_id=query["object"]) | Q(object_type=query["object"])
            )
        for name, column in self.columns.items():
            if name in query:
                queryset = queryset.filter(**{column: query[name]})
        return queryset

    @extend_schema(parameters=[AuditExportQuery], responses={(200, "text/csv"): str})
    @action(detail=False, methods=["get"], url_path=r"export\.csv")
    def export_csv(self, request: Request) -> HttpResponseBase:
        """The entries that the list's filters find, newest first, as CSV."""
        return self.respond_with_file("csv for spreadsheets", "csv")
