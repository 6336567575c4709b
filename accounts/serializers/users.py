from typing import ClassVar

from drf_spectacular.utils import extend_schema_serializer

from accounts.models import User
from accounts.serializers.members import RoleField
from voiceops.api.serializers import (
    Email,
    StrictModelSerializer,
    StrictSerializer,
    Text,
    Uuid,
)


class UserSerializer(StrictModelSerializer):
    class Meta:
        model = User
        fields = ["id", "email", "name", "default_workspace_id"]


@extend_schema_serializer(component_name="Seat")  # the name it was published under
class MembershipSerializer(StrictSerializer):
    """A workspace the user is a member of."""

    id = Uuid(source="workspace_id", read_only=True)
    name = Text(source="workspace.name", read_only=True)
    role = RoleField(read_only=True)


class MeSerializer(StrictSerializer):
    """The user themselves."""

    # Prefetch `memberships` with their workspaces, oldest first.

    null_in_answers: ClassVar = ("default_workspace_id",)  # read by voiceops.api.schema

    id = Uuid(read_only=True)
    email = Email(read_only=True, allow_null=True)
    name = Text(max_length=100, allow_blank=True)
    default_workspace_id = Uuid()
    workspaces = MembershipSerializer(source="memberships", many=True, read_only=True)
