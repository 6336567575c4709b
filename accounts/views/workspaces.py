"""Workspaces and what their admins look after: members, invitations, API keys and the audit log."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import DELETED, ApiViewSet, Deletes, Patches, WorkspaceViewSet
from accounts.auth.permissions import SIGNED_IN
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Workspace
from accounts.roles import Role
from accounts.serializers.workspaces import (
    ApiKeyMadeSerializer,
    ApiKeySerializer,
    AuditEntrySerializer,
    AuditQuery,
    InvitationSerializer,
    MemberSerializer,
    WorkspaceDetailSerializer,
)
from accounts.services import members


class WorkspacesViewSet(ApiViewSet):
    """The caller's own workspaces. Unlike elsewhere the path, not the header, says which one is meant."""

    model = Workspace
    serializer_class = WorkspaceDetailSerializer
    workspace_kwarg = "pk"
    access = {
        "list": SIGNED_IN,
        "create": SIGNED_IN,
        "retrieve": Role.MEMBER,
        "partial_update": Role.ADMIN,
        "destroy": Role.ADMIN,
    }

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self._mine())
        return self.get_paginated_response(WorkspaceDetailSerializer(page, many=True).data)

    def create(self, request: Request) -> Response:
        user = self.user  # a key is refused before anything of the body
        serializer = WorkspaceDetailSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        limits = dict(serializer.validated_data)
        workspace = members.create_workspace(name=limits.pop("name"), user=user, ip=self.caller.ip, **limits)
        return Response(self._told(workspace, Role.ADMIN), status=201)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._told(self.workspace, self.caller.role))

    def partial_update(self, request: Request, pk: str) -> Response:
        workspace = self.workspace
        serializer = WorkspaceDetailSerializer(workspace, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        members.update_workspace(workspace=workspace, access=self.caller, changes=serializer.validated_data)
        return Response(self._told(workspace, self.caller.role))

    def destroy(self, request: Request, pk: str) -> Response:
        members.delete_workspace(workspace=self.workspace, access=self.caller)
        return Response(DELETED)

    def _mine(self) -> QuerySet[Workspace] | Sequence[Workspace]:
        if self.caller.key is not None:
            return [_seen_by(self.caller.key.workspace, Role(self.caller.key.role))]
        rows = Workspace.unscoped.filter(memberships__user=self.user).order_by("-pk")
        return rows.annotate(seat_role=F("memberships__role"))

    def _told(self, workspace: Workspace, role: Role | None) -> dict[str, Any]:
        return dict(WorkspaceDetailSerializer(_seen_by(workspace, role)).data)


class MemberViewSet(mixins.ListModelMixin, Patches, Deletes, WorkspaceViewSet):
    model = Membership
    serializer_class = MemberSerializer
    workspace_kwarg = "workspace_id"
    lookup_field = "user_id"
    access = {"list": Role.MEMBER, "partial_update": Role.ADMIN, "destroy": Role.ADMIN}

    def narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("user", "workspace")

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        role = serializer.validated_data.get("role")
        if role is not None and serializer.instance is not None:
            members.change_role(member=serializer.instance, role=role, access=self.caller, now=timezone.now())

    def perform_destroy(self, instance: Membership) -> None:
        members.remove_member(member=instance, access=self.caller, now=timezone.now())


class InvitationViewSet(mixins.ListModelMixin, mixins.CreateModelMixin, Deletes, WorkspaceViewSet):
    model = Invitation
    serializer_class = InvitationSerializer
    workspace_kwarg = "workspace_id"
    access = {"list": Role.ADMIN, "create": Role.ADMIN, "destroy": Role.ADMIN}

    def narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(accepted_at=None)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        values = serializer.validated_data
        serializer.instance = members.invite(workspace=self.workspace, access=self.caller, now=timezone.now(), **values)

    def perform_destroy(self, instance: Invitation) -> None:
        members.revoke_invitation(invitation=instance, access=self.caller)


class ApiKeyViewSet(mixins.ListModelMixin, Deletes, WorkspaceViewSet):
    model = ApiKey
    serializer_class = ApiKeySerializer
    access = {"list": Role.ADMIN, "create": Role.ADMIN, "destroy": Role.ADMIN}

    def narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(revoked_at=None)

    @extend_schema(responses={201: ApiKeyMadeSerializer})
    def create(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        row, key = members.create_api_key(workspace=self.workspace, access=self.caller, **values)
        return Response({**self.get_serializer(row).data, "key": key}, status=201)

    def perform_destroy(self, instance: ApiKey) -> None:
        members.revoke_api_key(key=instance, access=self.caller, now=timezone.now())


class AuditLogViewSet(mixins.ListModelMixin, WorkspaceViewSet):
    model = AuditEntry
    serializer_class = AuditEntrySerializer
    query_class = AuditQuery
    access = {"list": Role.ADMIN}
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

    def sift(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        if "object" in query:
            queryset = queryset.filter(Q(object_id=query["object"]) | Q(object_type=query["object"]))
        for name, column in self.columns.items():
            if name in query:
                queryset = queryset.filter(**{column: query[name]})
        return queryset


def _seen_by(workspace: Workspace, role: Role | None) -> Workspace:
    workspace.seat_role = role  # type: ignore[attr-defined]  # read by WorkspaceDetailSerializer
    return workspace
