from typing import Any

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.viewsets import ApiViewSet
from accounts.auth.permissions import SIGNED_IN
from accounts.models import ApiKey, Membership, User
from accounts.roles import Role
from accounts.serializers.auth import PasswordChangeSerializer
from accounts.serializers.users import MeSerializer
from accounts.serializers.workspaces import DetailSerializer
from accounts.services import passwords
from accounts.services.users import update_user


class MeViewSet(ApiViewSet):
    serializer_class = MeSerializer
    required_roles = {"retrieve": SIGNED_IN, "partial_update": SIGNED_IN}

    def retrieve(self, request: Request) -> Response:
        """The authenticated user, or the API key, which has no address and one workspace."""
        key = self.principal.key
        return Response(_describe_key(key) if key else MeSerializer(self._load_user()).data)

    def partial_update(self, request: Request) -> Response:
        user = self._load_user()
        serializer = MeSerializer(user, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        update_user(user=user, changes=serializer.validated_data, principal=self.principal)
        return Response(MeSerializer(user).data)

    def _load_user(self) -> User:
        memberships = Membership.unscoped.select_related("workspace").order_by("pk")
        users = User.objects.prefetch_related(Prefetch("memberships", memberships))
        return users.get(pk=self.user.pk)


class PasswordChangeViewSet(ApiViewSet):
    serializer_class = PasswordChangeSerializer
    required_roles = {"create": SIGNED_IN}

    @extend_schema(responses={200: DetailSerializer})
    def create(self, request: Request) -> Response:
        values = self.validate_body(PasswordChangeSerializer)
        passwords.change_password(
            principal=self.principal,
            current=values["current_password"],
            new=values["password"],
            now=timezone.now(),
        )
        return Response({"detail": "Password changed"})

    def get_serializer_context(self) -> dict[str, Any]:
        # `self.user` refuses an API key before anything of the body is read.
        return {**super().get_serializer_context(), "user": self.user}


def _describe_key(key: ApiKey) -> dict[str, Any]:
    workspace = {
        "id": str(key.workspace_id),
        "name": key.workspace.name,
        "role": Role(key.role).label,
    }
    return {
        "id": str(key.pk),
        "email": None,
        "name": key.name,
        "default_workspace_id": workspace["id"],
        "workspaces": [workspace],
    }
