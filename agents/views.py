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
from agents import services
from agents.models import Agent, AgentVersion
from agents.serializers.agents import (
    AgentQuery,
    AgentSerializer,
    AgentVersionSerializer,
    RollbackSerializer,
)


class AgentViewSet(
    ListMixin,
    RetrieveMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    DestroyMixin,
    WorkspaceViewSet,
):
    model = Agent
    serializer_class = AgentSerializer
    query_class = AgentQuery
    sortable = {"name": "name", "created_at": "created_at", "updated_at": "updated_at"}
    actions_without_body = ("publish", "duplicate")
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "versions": Role.MEMBER,
        "create": Role.MANAGER,
        "update": Role.MANAGER,
        "partial_update": Role.MANAGER,
        "destroy": Role.MANAGER,
        "publish": Role.MANAGER,
        "rollback": Role.MANAGER,
        "duplicate": Role.MANAGER,
    }

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(deleted_at=None)

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        return queryset.filter(name__icontains=query["search"]) if "search" in query else queryset

    def perform_create(self, serializer: BaseSerializer[Agent]) -> None:
        serializer.instance = services.create_agent(
            workspace=self.workspace, config=serializer.validated_data, principal=self.principal
        )

    def perform_update(self, serializer: BaseSerializer[Agent]) -> None:
        assert serializer.instance is not None
        serializer.instance = services.save_draft(
            agent=serializer.instance, changes=serializer.validated_data, principal=self.principal
        )

    def perform_destroy(self, instance: Agent) -> None:
        services.delete_agent(agent=instance, principal=self.principal)

    @extend_schema(request=None, responses=AgentSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Publish the draft. Calls and batches created from now on run it."""
        return self._respond(
            services.publish_agent(agent=self.get_object(), principal=self.principal)
        )

    @extend_schema(request=RollbackSerializer, responses=AgentSerializer)
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: str) -> Response:
        """Publish an earlier version again and make it the draft. Unpublished changes are lost."""
        agent = self.get_object()
        values = self.validate_body(RollbackSerializer)
        return self._respond(
            services.rollback_agent(agent=agent, principal=self.principal, **values)
        )

    @extend_schema(request=None, responses={201: AgentSerializer})
    @action(detail=True, methods=["post"])
    def duplicate(self, request: Request, pk: str) -> Response:
        return self._respond(
            services.duplicate_agent(agent=self.get_object(), principal=self.principal), status=201
        )

    @extend_schema(responses=AgentVersionSerializer(many=True))
    @action(detail=True, methods=["get"])
    def versions(self, request: Request, pk: str) -> Response:
        """The published versions, newest first."""
        return self.read_page(
            AgentVersionSerializer,
            lambda rows, query: rows.order_by("-number"),
            model=AgentVersion,
            agent=self.read_columns("pk").pk,
        )

    def _respond(self, agent: Agent, status: int = 200) -> Response:
        return Response(self.get_serializer(agent).data, status=status)
