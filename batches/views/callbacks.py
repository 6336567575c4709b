"""Callbacks: listed, scheduled, changed and cancelled."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import mixins
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import (
    DestroyMixin,
    ListMixin,
    PatchMixin,
    RetrieveMixin,
    WorkspaceViewSet,
)
from accounts.roles import Role
from batches.models import Callback
from batches.serializers.callbacks import (
    CallbackQuery,
    CallbackSerializer,
    NewCallbackSerializer,
)
from batches.services import callbacks


class CallbackViewSet(
    ListMixin,
    RetrieveMixin,
    mixins.CreateModelMixin,
    PatchMixin,
    DestroyMixin,
    WorkspaceViewSet,
):
    """Calls that callees asked for. DELETE cancels one that waits; its row stays."""

    model = Callback
    serializer_class = CallbackSerializer
    query_class = CallbackQuery
    sortable = {"created_at": "created_at", "at": "at"}
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.MANAGER,
        "partial_update": Role.MANAGER,
        "destroy": Role.MANAGER,
    }

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return NewCallbackSerializer if self.action == "create" else CallbackSerializer

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("workspace")

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        names = ("status", "recipient_id", "batch_id")
        return queryset.filter(**{name: query[name] for name in names if name in query})

    def perform_create(self, serializer: BaseSerializer[Callback]) -> None:
        serializer.instance = callbacks.schedule_callback(
            workspace=self.workspace, principal=self.principal, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[Callback]) -> None:
        assert serializer.instance is not None
        serializer.instance = callbacks.update_callback(
            callback=serializer.instance,
            changes=serializer.validated_data,
            principal=self.principal,
        )

    def perform_destroy(self, instance: Callback) -> None:
        callbacks.cancel_callback(callback=instance, principal=self.principal)
