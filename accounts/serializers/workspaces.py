import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import holidays
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceSerializer
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, User, Workspace
from accounts.roles import Role
from voiceops.api.errors import mistake
from voiceops.api.serializers import (
    Choice,
    DateTime,
    Email,
    Integer,
    ListOf,
    NetworkText,
    PageQuery,
    StrictModelSerializer,
    StrictSerializer,
    Text,
    Uuid,
)


class RoleField(Choice):
    """A role by its name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[str(role.label) for role in Role], **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return Role.named(super().to_internal_value(data))

    def to_representation(self, value: Any) -> str:
        return str(Role(value).label)


def password_field(**kwargs: Any) -> Text:
    return Text(min_length=12, max_length=128, trim_whitespace=False, write_only=True, **kwargs)


def judge_password(password: str, *, user: User) -> None:
    """Refuse common passwords and one's own name or address. Raises ValidationError on `password` (422)."""
    try:
        validate_password(password, user)
    except DjangoValidationError as error:
        raise serializers.ValidationError({"password": error.messages}) from error


class RegisterSerializer(StrictSerializer):
    email = Email(max_length=254)
    password = password_field()
    name = Text(max_length=100, allow_blank=True, default="")
    workspace_name = Text(max_length=100, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        judge_password(attrs["password"], user=User(email=attrs["email"], name=attrs["name"]))
        return attrs


class LoginSerializer(StrictSerializer):
    email = Email(max_length=254)
    password = Text(max_length=4096, trim_whitespace=False)


class RefreshSerializer(StrictSerializer):
    refresh_token = Text(max_length=4096, required=False)


class PasswordChangeSerializer(StrictSerializer):
    current_password = Text(max_length=4096, trim_whitespace=False)
    password = password_field()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        judge_password(attrs["password"], user=self.context["user"])
        return attrs


class PasswordResetSerializer(StrictSerializer):
    email = Email(max_length=254)


class PasswordResetConfirmSerializer(StrictSerializer):
    token = Text(max_length=100)
    password = password_field()


class AcceptInvitationSerializer(StrictSerializer):
    token = Text(max_length=100)
    password = password_field(required=False)
    name = Text(max_length=100, allow_blank=True, default="")


class UserSerializer(StrictModelSerializer):
    class Meta:
        model = User
        fields = ["id", "email", "name", "default_workspace_id"]


class SeatSerializer(StrictSerializer):
    """A workspace somebody belongs to."""

    id = Uuid(source="workspace_id", read_only=True)
    name = Text(source="workspace.name", read_only=True)
    role = RoleField(read_only=True)


class MeSerializer(StrictSerializer):
    """`memberships` must be prefetched with their workspaces, oldest first."""

    id = Uuid(read_only=True)
    email = Email(read_only=True, allow_null=True)
    name = Text(max_length=100, allow_blank=True)
    default_workspace_id = Uuid()
    workspaces = SeatSerializer(source="memberships", many=True, read_only=True)


class TimeOfDay(Text):
    """`HH:MM`; `24:00` only where a day may end."""

    def __init__(self, *, may_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.may_end = may_end

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) and not (self.may_end and text == "24:00"):
            raise mistake("value_error", "invalid time of day, expected HH:MM")
        return text


class ZoneName(Text):
    """An IANA time zone, or `recipient` for that of the number called."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text != "recipient" and text not in available_timezones():
            raise mistake("value_error", "unknown time zone, expected an IANA name or 'recipient'")
        return text


class CallingWindowSerializer(StrictSerializer):
    """When calls may be placed: days 1 (Monday) to 7, from `start` until before `end`, local to `timezone`."""

    days = ListOf(child=Integer(min_value=1, max_value=7), min_length=1, max_length=7, default=[1, 2, 3, 4, 5, 6, 7])
    start = TimeOfDay()
    end = TimeOfDay(may_end=True)
    timezone = ZoneName(default="recipient")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if {"start", "end"} <= set(attrs) and attrs["start"] >= attrs["end"]:
            raise serializers.ValidationError({"end": mistake("value_error", "end must be later than start").detail})
        return attrs


class CountryField(Text):
    """A country whose public holidays are known (ISO 3166, two letters)."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).upper()
        if text not in holidays.list_supported_countries():
            raise mistake("value_error", "no public holidays are known for this country")
        return text


class WorkspaceDetailSerializer(StrictModelSerializer):
    """A workspace with its limits and the caller's role in it (`seat_role`, set by whoever loads it)."""

    role = RoleField(source="seat_role", read_only=True)
    calling_window = CallingWindowSerializer(allow_null=True, required=False)
    holidays_country = CountryField(allow_null=True, required=False)

    class Meta:
        model = Workspace
        fields = [
            "id",
            "name",
            "role",
            "calling_window",
            "max_concurrent_calls",
            "max_calls_per_day",
            "min_gap_minutes",
            "max_attempts_per_day",
            "max_attempts_per_week",
            "recording_retention_days",
            "transcript_retention_days",
            "holidays_country",
            "created_at",
        ]
        extra_kwargs: Mapping[str, Mapping[str, Any]] = {
            "max_concurrent_calls": {"min_value": 1},
            "max_calls_per_day": {"min_value": 1},
            "max_attempts_per_day": {"min_value": 1},
            "max_attempts_per_week": {"min_value": 1},
            "recording_retention_days": {"min_value": 1, "max_value": 36500},
            "transcript_retention_days": {"min_value": 1, "max_value": 36500},
        }


class TokensSerializer(StrictSerializer):
    """What logging in answers; both tokens are set as cookies as well."""

    user = UserSerializer()
    workspace = WorkspaceDetailSerializer(allow_null=True)
    access_token = Text()
    refresh_token = Text()
    token_type = Text(default="bearer")
    expires_in = Integer()


class DetailSerializer(StrictSerializer):
    detail = Text()


class MemberSerializer(WorkspaceSerializer):
    """A person's seat. People are told by hand-picked fields: a user may sit in workspaces the caller must not see."""

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
    allowed_addresses = ListOf(child=NetworkText(max_length=50), max_length=50, required=False)

    class Meta:
        model = ApiKey
        fields = ["id", "name", "role", "prefix", "allowed_addresses", "created_at", "last_used_at", "expires_at"]
        read_only_fields = ["prefix", "last_used_at"]


class AuditEntrySerializer(WorkspaceSerializer):
    actor = serializers.SerializerMethodField()

    class Meta:
        model = AuditEntry
        fields = ["id", "actor", "action", "object_type", "object_id", "at", "ip", "changes"]

    def get_actor(self, entry: AuditEntry) -> dict[str, str | None]:
        actor_id = str(entry.actor_id) if entry.actor_id else None
        return {"type": entry.actor_type, "id": actor_id, "name": entry.actor_name}


class ApiKeyMadeSerializer(ApiKeySerializer):
    """What POST answers: the key itself, for the only time."""

    key = Text(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]


class AuditQuery(PageQuery):
    """`object` is an id or a type; a span of time is named as in calls (`after`) or as in the summary (`from`)."""

    actor = Uuid(required=False)
    action = Text(required=False, max_length=60)
    object = Text(required=False, max_length=64)
    object_type = Text(required=False, max_length=40)
    object_id = Text(required=False, max_length=64)
    after = DateTime(required=False)
    before = DateTime(required=False)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": DateTime(required=False), "to": DateTime(required=False)}
