"""Workspaces and what their admins look after: members, invitations, API keys and the audit log."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import DELETED, ApiViewSet
from accounts.auth.permissions import SIGNED_IN
from accounts.models import Workspace
from accounts.roles import Role
from accounts.serializers.workspaces import WorkspaceDetailSerializer
from accounts.services import workspaces


class WorkspacesViewSet(ApiViewSet):
    """The caller's own workspaces. Unlike elsewhere the path, not the header, says which one is
    meant.
    """

    model = Workspace
    serializer_class = WorkspaceDetailSerializer
    workspace_kwarg = "pk"
    required_roles = {
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
        workspace = workspaces.create_workspace(
            name=limits.pop("name"), user=user, ip=self.principal.ip, **limits
        )
        return Response(self._told(workspace, Role.ADMIN), status=201)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(self._told(self.workspace, self.principal.role))

    def partial_update(self, request: Request, pk: str) -> Response:
        workspace = self.workspace
        serializer = WorkspaceDetailSerializer(workspace, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        workspaces.update_workspace(
            workspace=workspace, principal=self.principal, changes=serializer.validated_data
        )
        return Response(self._told(workspace, self.principal.role))

    def destroy(self, request: Request, pk: str) -> Response:
        workspaces.delete_workspace(workspace=self.workspace, principal=self.principal)
        return Response(DELETED)

    def _mine(self) -> QuerySet[Workspace] | Sequence[Workspace]:
        if self.principal.key is not None:
            return [_seen_by(self.principal.key.workspace, Role(self.principal.key.role))]
        rows = Workspace.unscoped.filter(memberships__user=self.user).order_by("-pk")
        return rows.annotate(seat_role=F("memberships__role"))

    def _told(self, workspace: Workspace, role: Role | None) -> dict[str, Any]:
        return dict(WorkspaceDetailSerializer(_seen_by(workspace, role)).data)


def _seen_by(workspace: Workspace, role: Role | None) -> Workspace:
    workspace.seat_role = role  # type: ignore[attr-defined]  # read by WorkspaceDetailSerializer
    return workspace
