"""Registration, login and logout, password resets and accepting an invitation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base_view import PublicView
from accounts.auth import sessions, tokens
from accounts.auth.authentication import ACCESS_COOKIE, client_ip
from accounts.auth.origin import require_own_origin
from accounts.auth.sessions import InvalidCredentialsError
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.serializers.auth import (
    AcceptInvitationSerializer,
    LoginSerializer,
    PasswordResetConfirmSerializer,
    PasswordResetSerializer,
    RefreshSerializer,
    RegisterSerializer,
    TokensSerializer,
    validate_new_password,
)
from accounts.serializers.users import UserSerializer
from accounts.serializers.workspaces import DetailSerializer, serialize_workspace
from accounts.services import invitations, login, passwords, registration
from voiceops.api.errors import field_error
from voiceops.api.serializers import StrictSerializer, validate_body

REFRESH_COOKIE = "refresh_token"
REFRESH_COOKIE_PATH = "/auth"
EMAIL_SENT = "If the address is known, an e-mail is on its way"


@contextmanager
def refused_as_401() -> Iterator[None]:
    """Raises AuthenticationFailed for credentials that the block does not accept."""
    try:
        yield
    except InvalidCredentialsError as error:
        raise AuthenticationFailed(str(error)) from error


class AuthView(PublicView):
    """A view that a browser may only use from our own pages.

    A foreign page could otherwise log its visitor in to another account.
    """

    serializer_class: type[StrictSerializer]

    def resolve_workspace(self, request: Request) -> None:
        require_own_origin(request)

    def validate_body(self, request: Request) -> dict[str, Any]:
        """Return the validated fields of the body. Raises ValidationError (422)."""
        return validate_body(self.serializer_class, request)


class RegisterView(AuthView):
    serializer_class = RegisterSerializer

    @extend_schema(responses={201: TokensSerializer})
    def post(self, request: Request) -> Response:
        ip = client_ip(request)
        user = registration.register_user(**self.validate_body(request), ip=ip)
        pair = login.start_session(user=user, ip=ip, now=timezone.now())
        return token_response(pair, status=201)


class LoginView(AuthView):
    serializer_class = LoginSerializer

    @extend_schema(responses={200: TokensSerializer})
    def post(self, request: Request) -> Response:
        values = self.validate_body(request)
        with refused_as_401():
            pair = login.log_in(**values, ip=client_ip(request), now=timezone.now())
        return token_response(pair)


class RefreshView(AuthView):
    serializer_class = RefreshSerializer

    @extend_schema(responses={200: TokensSerializer})
    def post(self, request: Request) -> Response:
        body_token = self.validate_body(request).get("refresh_token")
        token = body_token or request.COOKIES.get(REFRESH_COOKIE, "")
        with refused_as_401():
            pair = sessions.refresh_session(token=token, now=timezone.now(), ip=client_ip(request))
        return token_response(pair)


class LogoutView(AuthView):
    """Ends the session of the token that was sent.

    Logging out twice, or without a token, is not an error.
    """

    serializer_class = RefreshSerializer

    @extend_schema(responses={200: DetailSerializer})
    def post(self, request: Request) -> Response:
        body_token = self.validate_body(request).get("refresh_token")
        candidates = (
            body_token or request.COOKIES.get(REFRESH_COOKIE),
            request.COOKIES.get(ACCESS_COOKIE),
            request.headers.get("Authorization", "").partition(" ")[2].strip(),
        )
        login.log_out(
            tokens=[token for token in candidates if token],
            ip=client_ip(request),
            now=timezone.now(),
        )
        response = Response({"detail": "Logged out"})
        response.delete_cookie(ACCESS_COOKIE, samesite="Lax")
        response.delete_cookie(REFRESH_COOKIE, path=REFRESH_COOKIE_PATH, samesite="Strict")
        return response


class PasswordResetView(AuthView):
    serializer_class = PasswordResetSerializer

    @extend_schema(responses={200: DetailSerializer})
    def post(self, request: Request) -> Response:
        passwords.request_password_reset(
            **self.validate_body(request), ip=client_ip(request), now=timezone.now()
        )
        return Response({"detail": EMAIL_SENT})


class PasswordResetConfirmView(AuthView):
    serializer_class = PasswordResetConfirmSerializer

    @extend_schema(responses={200: DetailSerializer})
    def post(self, request: Request) -> Response:
        values = self.validate_body(request)
        now = timezone.now()
        reset = passwords.find_reset(token=values["token"], now=now)
        validate_new_password(values["password"], user=reset.user)
        passwords.confirm_password_reset(
            reset=reset, password=values["password"], ip=client_ip(request), now=now
        )
        return Response({"detail": "Password changed"})


class AcceptInvitationView(AuthView):
    serializer_class = AcceptInvitationSerializer

    @extend_schema(responses={200: TokensSerializer})
    def post(self, request: Request) -> Response:
        values = self.validate_body(request)
        now = timezone.now()
        ip = client_ip(request)
        password, name = values.get("password"), values["name"]
        invitation = invitations.find_invitation(token=values["token"], now=now)
        user = User.objects.filter(email=invitation.email).first()
        if user is None:
            _require_password(password, user=User(email=invitation.email, name=name))
        elif user.email_proven_at is None and password is not None:
            validate_new_password(password, user=user)

        user = invitations.accept_invitation(
            invitation=invitation, password=password, name=name, ip=ip, now=now
        )
        workspace = invitation.workspace
        pair = login.start_session(user=user, ip=ip, now=now, workspace=workspace)
        return token_response(pair, workspace=workspace)


def token_response(
    pair: sessions.TokenPair, *, workspace: Workspace | None = None, status: int = 200
) -> Response:
    """Return the documented body of a login, with both tokens as cookies too."""
    workspace = workspace or pair.user.default_workspace
    body = {
        "user": UserSerializer(pair.user).data,
        "workspace": _describe_workspace(workspace, pair.user) if workspace else None,
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "bearer",
        "expires_in": tokens.ACCESS_SECONDS,
    }
    response = Response(body, status=status)
    response.set_cookie(
        ACCESS_COOKIE,
        pair.access_token,
        max_age=tokens.ACCESS_SECONDS,
        samesite="Lax",
        path="/",
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
    )
    response.set_cookie(
        REFRESH_COOKIE,
        pair.refresh_token,
        max_age=tokens.REFRESH_SECONDS,
        samesite="Strict",
        path=REFRESH_COOKIE_PATH,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


def _require_password(password: str | None, *, user: User) -> None:
    """Raises ValidationError (422) when the password is missing or too weak for the new user."""
    if password is None:
        raise serializers.ValidationError({"password": field_error("value_error.missing").detail})
    validate_new_password(password, user=user)


def _describe_workspace(workspace: Workspace, user: User) -> dict[str, Any] | None:
    membership = Membership.unscoped.filter(workspace=workspace, user=user).first()
    return serialize_workspace(workspace, Role(membership.role)) if membership else None
