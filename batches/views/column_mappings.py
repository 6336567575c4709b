"""Saved column mappings."""

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
from batches.models import SavedMapping
from batches.serializers.column_mappings import SavedMappingSerializer
from batches.services import column_mappings


class SavedMappingViewSet(
    ListMixin,
    RetrieveMixin,
    mixins.CreateModelMixin,
    PatchMixin,
    DestroyMixin,
    WorkspaceViewSet,
):
    model = SavedMapping
    serializer_class = SavedMappingSerializer
    sortable = {"created_at": "created_at", "name": "name"}
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.MANAGER,
        "partial_update": Role.MANAGER,
        "destroy": Role.MANAGER,
    }

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("workspace")

    def perform_create(self, serializer: BaseSerializer[SavedMapping]) -> None:
        serializer.instance = column_mappings.create_mapping(
            workspace=self.workspace, principal=self.principal, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[SavedMapping]) -> None:
        assert serializer.instance is not None
        column_mappings.update_mapping(
            mapping=serializer.instance, changes=serializer.validated_data, principal=self.principal
        )

    def perform_destroy(self, instance: SavedMapping) -> None:
        column_mappings.delete_mapping(mapping=instance, principal=self.principal)
