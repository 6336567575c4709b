from collections.abc import Sequence

from django.db.models import F, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import DELETED, ApiViewSet
from accounts.auth.permissions import SIGNED_IN
from accounts.models import Workspace
from accounts.roles import Role
from accounts.serializers.workspaces import (
    WorkspaceDetailSerializer,
    serialize_workspace,
    with_member_role,
)
from accounts.services import workspaces


class WorkspacesViewSet(ApiViewSet):
    """The principal's own workspaces. The path, not the header, names the one that is meant."""

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
        page = self.paginate_queryset(self._own_workspaces())
        return self.get_paginated_response(WorkspaceDetailSerializer(page, many=True).data)

    def create(self, request: Request) -> Response:
        user = self.user  # refuses an API key before anything of the body is read
        limits = self.validate_body(WorkspaceDetailSerializer)
        workspace = workspaces.create_workspace(
            name=limits.pop("name"), user=user, ip=self.principal.ip, **limits
        )
        return Response(serialize_workspace(workspace, Role.ADMIN), status=201)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(serialize_workspace(self.workspace, self.principal.role))

    def partial_update(self, request: Request, pk: str) -> Response:
        workspace = self.workspace
        serializer = WorkspaceDetailSerializer(workspace, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        workspaces.update_workspace(
            workspace=workspace, principal=self.principal, changes=serializer.validated_data
        )
        return Response(serialize_workspace(workspace, self.principal.role))

    def destroy(self, request: Request, pk: str) -> Response:
        workspaces.delete_workspace(workspace=self.workspace, principal=self.principal)
        return Response(DELETED)

    def _own_workspaces(self) -> QuerySet[Workspace] | Sequence[Workspace]:
        if (key := self.principal.key) is not None:
            return [with_member_role(key.workspace, Role(key.role))]
        rows = Workspace.unscoped.filter(memberships__user=self.user).order_by("-pk")
        return rows.annotate(member_role=F("memberships__role"))
