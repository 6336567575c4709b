from typing import Any
from uuid import UUID

import yaml
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.lookup import not_found, parse_id
from accounts.api.viewsets import DestroyMixin, ListMixin, RetrieveMixin, WorkspaceViewSet
from accounts.roles import Role
from agents import services
from agents.models import Agent, AgentVersion, Rehearsal
from agents.rehearsing import rehearsals
from agents.serializers.agents import (
    AgentQuery,
    AgentSerializer,
    AgentVersionSerializer,
    AgentWarningsSerializer,
    PublishedAgentSerializer,
    RollbackSerializer,
    UnspokenVersionQuery,
    UnspokenVersionSerializer,
)
from agents.serializers.rehearsals import (
    RehearsalDetailSerializer,
    RehearsalOrderSerializer,
    RehearsalSerializer,
    ScriptsSerializer,
)
from agents.voice_workers import (
    find_speech_warnings,
    find_unspoken_versions,
    list_voice_workers,
)
from voiceops.api.pagination import validate_query
from voiceops.api.parsers import JSONParser
from voiceops.core.errors import Invalid
from voiceops.core.yaml_text import parse_yaml

OF_AGENT = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="of the agent")
OF_REHEARSAL = OpenApiParameter("rehearsal_id", UUID, OpenApiParameter.PATH)
YAML_MEDIA_TYPE = "application/yaml"


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
        "warnings": Role.MEMBER,
        "published_warnings": Role.MEMBER,
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

    @extend_schema(request=None, responses=PublishedAgentSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Publish the draft. Calls and batches created from now on run it."""
        agent = services.publish_agent(agent=self.get_object(), principal=self.principal)
        return Response(PublishedAgentSerializer(agent).data)

    @extend_schema(request=RollbackSerializer, responses=PublishedAgentSerializer)
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: str) -> Response:
        """Publish an earlier version again and make it the draft. Unpublished changes are lost."""
        agent = self.get_object()
        values = self.validate_body(RollbackSerializer)
        agent = services.rollback_agent(agent=agent, principal=self.principal, **values)
        return Response(PublishedAgentSerializer(agent).data)

    @extend_schema(request=None, responses={201: AgentSerializer})
    @action(detail=True, methods=["post"])
    def duplicate(self, request: Request, pk: str) -> Response:
        copy = services.duplicate_agent(agent=self.get_object(), principal=self.principal)
        return Response(self.get_serializer(copy).data, status=201)

    @extend_schema(responses=AgentWarningsSerializer)
    @action(detail=True, methods=["get"])
    def warnings(self, request: Request, pk: str) -> Response:
        """What would keep voice workers from playing the draft."""
        agent: Agent = self.get_object()
        return Response({"warnings": find_speech_warnings(agent.config(), list_voice_workers())})

    @extend_schema(
        parameters=[UnspokenVersionQuery], responses=UnspokenVersionSerializer(many=True)
    )
    @action(detail=False, methods=["get"], url_path="published-warnings")
    def published_warnings(self, request: Request) -> Response:
        """The published versions that no voice worker can play."""
        query = validate_query(UnspokenVersionQuery, request)
        chosen = {"agent": query["agent_id"]} if "agent_id" in query else {}
        found = find_unspoken_versions(self.workspace.agent_versions.filter(**chosen))
        rows = self.paginate_queryset(found)
        return self.get_paginated_response(UnspokenVersionSerializer(rows, many=True).data)

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


class YAMLText(str):
    """A body of YAML as it was written, which is stored beside what it says."""


class YAMLParser(JSONParser):
    """YAML in a body, kept as text: only what is nested in it can be checked as JSON is."""

    media_type = YAML_MEDIA_TYPE

    def parse_body(self, body: bytes) -> Any:
        """Raises Invalid for what is no text."""
        try:
            return YAMLText(body.decode())
        except UnicodeDecodeError as error:
            raise Invalid("The YAML cannot be read: it is not UTF-8") from error


class OldYAMLParser(YAMLParser):
    """The media type that clients used before RFC 9512."""

    media_type = "application/x-yaml"


class TextYAMLParser(YAMLParser):
    """Another that they used."""

    media_type = "text/yaml"


@extend_schema(parameters=[OF_AGENT])
class ScriptsViewSet(WorkspaceViewSet):
    """The scripts by which an agent is rehearsed."""

    model = Agent
    serializer_class = ScriptsSerializer
    parser_classes = (JSONParser, YAMLParser, OldYAMLParser, TextYAMLParser)
    required_roles = {"retrieve": Role.MEMBER, "update": Role.MANAGER}

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(deleted_at=None)

    # YAML stands in the descriptions only: generators of clients know no such bodies.
    @extend_schema(responses=ScriptsSerializer)
    def retrieve(self, request: Request, pk: str) -> HttpResponseBase:
        """The scripts in JSON, or in YAML for a client that accepts it, as they were written."""
        agent: Agent = self.get_object()
        scripts = rehearsals.scripts_of(agent)
        if "yaml" in request.headers.get("Accept", ""):
            text = scripts.source or yaml.safe_dump(
                scripts.content, sort_keys=False, allow_unicode=True
            )
            return HttpResponse(text, content_type=f"{YAML_MEDIA_TYPE}; charset=utf-8")
        return Response(scripts.content)

    @extend_schema(request={"application/json": ScriptsSerializer}, responses=ScriptsSerializer)
    def update(self, request: Request, pk: str) -> Response:
        """Replaces the scripts. A mistake is answered with its place."""
        agent: Agent = self.get_object()
        data: Any = request.data
        source = str(data) if isinstance(data, YAMLText) else ""
        body = parse_yaml(source) if source else data
        serializer = ScriptsSerializer(data=body, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        scripts = rehearsals.save_scripts(
            agent=agent,
            content=serializer.validated_data,
            source=source,
            principal=self.principal,
        )
        return Response(scripts.content)


@extend_schema(parameters=[OF_AGENT])
class RehearsalViewSet(WorkspaceViewSet):
    """Runs of an agent's scripts, or of past callees, against its draft."""

    model = Agent
    serializer_class = RehearsalSerializer
    required_roles = {"list": Role.MEMBER, "create": Role.MANAGER, "retrieve": Role.MEMBER}

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(deleted_at=None).select_related("workspace")

    def list(self, request: Request, pk: str) -> Response:
        return self.read_page(
            RehearsalSerializer,
            lambda rows, query: rows.order_by("-pk"),
            model=Rehearsal,
            agent=self.read_columns("pk").pk,
        )

    @extend_schema(request=RehearsalOrderSerializer, responses={201: RehearsalDetailSerializer})
    def create(self, request: Request, pk: str) -> Response:
        agent: Agent = self.get_object()
        order = self.validate_body(RehearsalOrderSerializer)
        if calls := order.get("replay"):
            rehearsal = rehearsals.order_replay(
                agent=agent, call_ids=calls, principal=self.principal
            )
        else:
            rehearsal = rehearsals.order_rehearsal(
                agent=agent,
                names=order.get("scripts"),
                mode=order.get("mode"),
                principal=self.principal,
            )
        return Response(RehearsalDetailSerializer(rehearsal).data, status=201)

    @extend_schema(parameters=[OF_REHEARSAL], responses=RehearsalDetailSerializer)
    def retrieve(self, request: Request, pk: str, rehearsal_id: str) -> Response:
        """A rehearsal with what came of each script. Raises NotFound."""
        agent: Agent = self.get_object()
        rehearsal = agent.rehearsals.filter(pk=parse_id(rehearsal_id, Rehearsal)).first()
        if rehearsal is None:
            raise not_found(Rehearsal)
        return Response(RehearsalDetailSerializer(rehearsal).data)
