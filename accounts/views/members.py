from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import DestroyMixin, ListMixin, PatchMixin, WorkspaceViewSet
from accounts.models import ApiKey, Invitation, Membership
from accounts.roles import Role
from accounts.serializers.members import (
    ApiKeyMadeSerializer,
    ApiKeySerializer,
    InvitationSerializer,
    MemberSerializer,
)
from accounts.services import api_keys, invitations, members


class MemberViewSet(ListMixin, PatchMixin, DestroyMixin, WorkspaceViewSet):
    model = Membership
    serializer_class = MemberSerializer
    workspace_kwarg = "workspace_id"
    lookup_field = "user_id"
    required_roles = {"list": Role.MEMBER, "partial_update": Role.ADMIN, "destroy": Role.ADMIN}

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("user", "workspace")

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        role = serializer.validated_data.get("role")
        if role is not None and serializer.instance is not None:
            members.change_role(
                member=serializer.instance, role=role, principal=self.principal, now=timezone.now()
            )

    def perform_destroy(self, instance: Membership) -> None:
        members.remove_member(member=instance, principal=self.principal, now=timezone.now())


class InvitationViewSet(ListMixin, mixins.CreateModelMixin, DestroyMixin, WorkspaceViewSet):
    model = Invitation
    serializer_class = InvitationSerializer
    workspace_kwarg = "workspace_id"
    required_roles = {"list": Role.ADMIN, "create": Role.ADMIN, "destroy": Role.ADMIN}

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(accepted_at=None)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        values = serializer.validated_data
        serializer.instance = invitations.create_invitation(
            workspace=self.workspace, principal=self.principal, now=timezone.now(), **values
        )

    def perform_destroy(self, instance: Invitation) -> None:
        invitations.revoke_invitation(invitation=instance, principal=self.principal)


class ApiKeyViewSet(ListMixin, DestroyMixin, WorkspaceViewSet):
    model = ApiKey
    serializer_class = ApiKeySerializer
    required_roles = {"list": Role.ADMIN, "create": Role.ADMIN, "destroy": Role.ADMIN}

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(revoked_at=None)

    @extend_schema(responses={201: ApiKeyMadeSerializer})
    def create(self, request: Request) -> Response:
        values = self.validate_body()
        row, key = api_keys.create_api_key(
            workspace=self.workspace, principal=self.principal, **values
        )
        return Response({**self.get_serializer(row).data, "key": key}, status=201)

    def perform_destroy(self, instance: ApiKey) -> None:
        api_keys.revoke_api_key(key=instance, principal=self.principal, now=timezone.now())
