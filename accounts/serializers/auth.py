from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers

from accounts.models import User
from accounts.serializers.users import UserSerializer
from accounts.serializers.workspaces import WorkspaceDetailSerializer
from voiceops.api.serializers import (
    Email,
    Integer,
    StrictSerializer,
    Text,
)


def password_field(**kwargs: Any) -> Text:
    return Text(min_length=12, max_length=128, trim_whitespace=False, write_only=True, **kwargs)


def validate_new_password(password: str, *, user: User) -> None:
    """Refuse common passwords and those like the user's name or address.

    Raises ValidationError on `password` (422).
    """
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
        validate_new_password(
            attrs["password"], user=User(email=attrs["email"], name=attrs["name"])
        )
        return attrs


class LoginSerializer(StrictSerializer):
    email = Email(max_length=254)
    password = Text(max_length=4096, trim_whitespace=False)
    code = Text(
        max_length=40,
        required=False,
        allow_blank=True,
        help_text="of a user with a second factor: six digits of the app, or a recovery code",
    )


class RefreshSerializer(StrictSerializer):
    refresh_token = Text(max_length=4096, required=False)


class PasswordChangeSerializer(StrictSerializer):
    current_password = Text(max_length=4096, trim_whitespace=False)
    password = password_field()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        validate_new_password(attrs["password"], user=self.context["user"])
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


class TokensSerializer(StrictSerializer):
    """The response to a login; both tokens are set as cookies too."""

    user = UserSerializer()
    workspace = WorkspaceDetailSerializer(allow_null=True)
    access_token = Text()
    refresh_token = Text()
    token_type = Text(default="bearer")
    expires_in = Integer()
