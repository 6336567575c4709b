from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Q, QuerySet

from accounts.api.viewsets import ListMixin, WorkspaceViewSet
from accounts.models import AuditEntry
from accounts.roles import Role
from accounts.serializers.audit import AuditEntrySerializer, AuditQuery


class AuditLogViewSet(ListMixin, WorkspaceViewSet):
    model = AuditEntry
    serializer_class = AuditEntrySerializer
    query_class = AuditQuery
    required_roles = {"list": Role.ADMIN}
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
