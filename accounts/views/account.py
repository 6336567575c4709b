from typing import Any

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import audit
from accounts.api.lookup import not_found
from accounts.api.viewsets import ApiViewSet
from accounts.auth.permissions import SIGNED_IN
from accounts.models import ApiKey, Membership, User, Workspace
from accounts.roles import Role
from accounts.serializers.auth import PasswordChangeSerializer
from accounts.serializers.users import MeSerializer
from accounts.serializers.workspaces import DetailSerializer, WorkspaceDetailSerializer
from accounts.services import passwords
from voiceops.core.errors import Invalid


class MeViewSet(ApiViewSet):
    serializer_class = MeSerializer
    required_roles = {"retrieve": SIGNED_IN, "partial_update": SIGNED_IN}

    def retrieve(self, request: Request) -> Response:
        """Who asks: a person, or an API key, which has no address and one workspace."""
        key = self.principal.key
        return Response(_key_told(key) if key else MeSerializer(self.me()).data)

    def partial_update(self, request: Request) -> Response:
        user = self.me()
        serializer = MeSerializer(user, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changes = serializer.validated_data
        wanted = changes.get("default_workspace_id", user.default_workspace_id)
        if wanted not in (
            user.default_workspace_id,
            *(seat.workspace_id for seat in user.memberships.all()),
        ):
            raise not_found(Workspace)
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=list(changes))
        if changes:
            audit.record(
                "user.updated",
                principal=self.principal,
                target=user,
                changes={"fields": sorted(changes)},
            )
        return Response(MeSerializer(user).data)

    def me(self) -> User:
        seats = Membership.unscoped.select_related("workspace").order_by("pk")
        return User.objects.prefetch_related(Prefetch("memberships", seats)).get(pk=self.user.pk)


class PasswordChangeViewSet(ApiViewSet):
    serializer_class = PasswordChangeSerializer
    required_roles = {"create": SIGNED_IN}

    @extend_schema(responses={200: DetailSerializer})
    def create(self, request: Request) -> Response:
        context = {"user": self.user}  # a key is refused before anything of the body
        serializer = PasswordChangeSerializer(data=request.data, context=context)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        current, new = values["current_password"], values["password"]
        if not passwords.change_password(
            principal=self.principal, current=current, new=new, now=timezone.now()
        ):
            raise Invalid("Invalid current password")
        return Response({"detail": "Password changed"})


def _key_told(key: ApiKey) -> dict[str, Any]:
    workspace = {
        "id": str(key.workspace_id),
        "name": key.workspace.name,
        "role": Role(key.role).label,
    }
    told = {
        "id": str(key.pk),
        "email": None,
        "name": key.name,
        "default_workspace_id": workspace["id"],
    }
    return {**told, "workspaces": [workspace]}


def _told(workspace: Workspace, user: User) -> dict[str, Any] | None:
    if (seat := Membership.unscoped.filter(workspace=workspace, user=user).first()) is None:
        return None
    workspace.seat_role = Role(seat.role)  # type: ignore[attr-defined]  # read by WorkspaceDetailSerializer
    return dict(WorkspaceDetailSerializer(workspace).data)
