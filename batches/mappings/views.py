from typing import Any

from django.db.models import QuerySet
from rest_framework import mixins
from rest_framework.serializers import BaseSerializer

from accounts.api import Deletes, Patches, WorkspaceViewSet
from accounts.roles import Role
from batches.mappings import services
from batches.mappings.serializers import SavedMappingSerializer
from batches.models import SavedMapping


class SavedMappingViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.CreateModelMixin, Patches, Deletes, WorkspaceViewSet
):
    model = SavedMapping
    serializer_class = SavedMappingSerializer
    sortable = {"created_at": "created_at", "name": "name"}
    access = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.MANAGER,
        "partial_update": Role.MANAGER,
        "destroy": Role.MANAGER,
    }

    def narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("workspace")

    def perform_create(self, serializer: BaseSerializer[SavedMapping]) -> None:
        serializer.instance = services.create_mapping(
            workspace=self.workspace, access=self.caller, **serializer.validated_data
        )

    def perform_update(self, serializer: BaseSerializer[SavedMapping]) -> None:
        assert serializer.instance is not None
        services.update_mapping(mapping=serializer.instance, changes=serializer.validated_data, access=self.caller)

    def perform_destroy(self, instance: SavedMapping) -> None:
        services.delete_mapping(mapping=instance, access=self.caller)
