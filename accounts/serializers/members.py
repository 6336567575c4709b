from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.api.related_fields import WorkspaceSerializer
from accounts.models import ApiKey, Invitation, Membership
from accounts.roles import Role
from voiceops.api.errors import field_error
from voiceops.api.serializers import (
    Choice,
    DateTime,
    Email,
    ListField,
    NetworkText,
    Text,
    Uuid,
)


class RoleField(Choice):
    """A role, written as its label."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[str(role.label) for role in Role], **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return Role.from_label(super().to_internal_value(data))

    def to_representation(self, value: Any) -> str:
        return str(Role(value).label)


class MemberSerializer(WorkspaceSerializer):
    """A member of a workspace."""

    # The user's fields are picked by hand, because a user may belong to workspaces that the reader
    # must not know of.
    id = Uuid(source="user_id", read_only=True)
    user_id = Uuid(read_only=True)
    email = Email(source="user.email", read_only=True)
    name = Text(source="user.name", read_only=True)
    role = RoleField()

    class Meta:
        model = Membership
        fields = ["id", "user_id", "email", "name", "role", "created_at"]


class InvitationSerializer(WorkspaceSerializer):
    email = Email(max_length=254)
    role = RoleField()

    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "created_at", "expires_at"]
        read_only_fields = ["expires_at"]


class ApiKeySerializer(WorkspaceSerializer):
    role = RoleField()
    expires_at = DateTime(required=False, allow_null=True)
    allowed_addresses = ListField(child=NetworkText(max_length=50), max_length=50, required=False)

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "name",
            "role",
            "prefix",
            "allowed_addresses",
            "created_at",
            "last_used_at",
            "expires_at",
        ]
        read_only_fields = ["prefix", "last_used_at"]

    def validate_expires_at(self, at: datetime | None) -> datetime | None:
        if at is not None and at <= timezone.now():
            raise field_error("value_error", "the key would be expired at birth")
        return at


class ApiKeyMadeSerializer(ApiKeySerializer):
    """The response to creating a key, the only one that contains the key itself."""

    key = Text(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]
