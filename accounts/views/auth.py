"""Logging in and out, and one's own account. The rest of the API's accounts is in
`workspace_views`.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import audit
from accounts.api.base_view import PublicView
from accounts.auth import sessions, tokens
from accounts.auth.authentication import ACCESS_COOKIE, client_ip
from accounts.auth.origin import require_own_origin
from accounts.auth.principal import Principal
from accounts.models import User, Workspace
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
from accounts.serializers.workspaces import DetailSerializer
from accounts.services import invitations, passwords, registration
from accounts.views.account import _told
from voiceops.api.errors import field_error
from voiceops.api.serializers import StrictSerializer

REFRESH_COOKIE = "refresh_token"
REFRESH_PATH = "/auth"
MAIL_IS_ON_ITS_WAY = "If the address is known, an e-mail is on its way"


class AuthView(PublicView):
    """A browser must have been sent here by our own pages: a foreign one could log its visitor into
    another account.
    """

    serializer_class: type[StrictSerializer]

    def resolve_workspace(self, request: Request) -> None:
        require_own_origin(request)

    def read(self, request: Request) -> dict[str, Any]:
        serializer = self.serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values


class RegisterView(AuthView):
    serializer_class = RegisterSerializer

    @extend_schema(responses={201: TokensSerializer})
    def post(self, request: Request) -> Response:
        values = self.read(request)
        values.setdefault(
            "workspace_name",
            f"{values['name'] or values['email'].partition('@')[0]}'s workspace"[:100],
        )
        user = registration.register_user(**values, ip=client_ip(request))
        return log_in(user, request, status=201)


class LoginView(AuthView):
    serializer_class = LoginSerializer

    @extend_schema(responses={200: TokensSerializer})
    def post(self, request: Request) -> Response:
        try:
            user = sessions.check_password(**self.read(request), ip=client_ip(request))
        except sessions.RefusedError as error:
            raise AuthenticationFailed(str(error)) from error
        return log_in(user, request)


class RefreshView(AuthView):
    serializer_class = RefreshSerializer

    @extend_schema(responses={200: TokensSerializer})
    def post(self, request: Request) -> Response:
        token = self.read(request).get("refresh_token") or request.COOKIES.get(REFRESH_COOKIE, "")
        try:
            pair = sessions.refresh_session(token=token, now=timezone.now(), ip=client_ip(request))
        except sessions.RefusedError as error:
            raise AuthenticationFailed(str(error)) from error
        return answer(pair)


class LogoutView(AuthView):
    """Ends the session of whichever token is shown; logging out twice, or without one, is no error."""

    serializer_class = RefreshSerializer

    @extend_schema(responses={200: DetailSerializer})
    def post(self, request: Request) -> Response:
        shown = self.read(request).get("refresh_token") or request.COOKIES.get(REFRESH_COOKIE)
        bearer = request.headers.get("Authorization", "").partition(" ")[2]
        for token in (shown, request.COOKIES.get(ACCESS_COOKIE), bearer.strip()):
            if token and (session := sessions.find_session(token)):
                sessions.end_session(session=session, now=timezone.now())
                audit.record(
                    "user.logged_out",
                    principal=Principal.for_user(session.user, ip=client_ip(request)),
                    target=session,
                )
                break
        response = Response({"detail": "Logged out"})
        response.delete_cookie(ACCESS_COOKIE, samesite="Lax")
        response.delete_cookie(REFRESH_COOKIE, path=REFRESH_PATH, samesite="Strict")
        return response


class PasswordResetView(AuthView):
    serializer_class = PasswordResetSerializer

    @extend_schema(responses={200: DetailSerializer})
    def post(self, request: Request) -> Response:
        passwords.request_password_reset(
            **self.read(request), ip=client_ip(request), now=timezone.now()
        )
        return Response({"detail": MAIL_IS_ON_ITS_WAY})


class PasswordResetConfirmView(AuthView):
    serializer_class = PasswordResetConfirmSerializer

    @extend_schema(responses={200: DetailSerializer})
    def post(self, request: Request) -> Response:
        values, now = self.read(request), timezone.now()
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
        values, now = self.read(request), timezone.now()
        invitation = invitations.find_invitation(token=values["token"], now=now)
        password, name = values.get("password"), values["name"]
        if not User.objects.filter(email=invitation.email).exists():
            if password is None:
                raise serializers.ValidationError(
                    {"password": field_error("value_error.missing").detail}
                )
            validate_new_password(password, user=User(email=invitation.email, name=name))
        user = invitations.accept_invitation(
            invitation=invitation, password=password, name=name, ip=client_ip(request), now=now
        )
        return log_in(user, request, workspace=invitation.workspace)


def log_in(
    user: User, request: Request, *, workspace: Workspace | None = None, status: int = 200
) -> Response:
    """Open a session and answer with its tokens."""
    now: datetime = timezone.now()
    pair = sessions.open_session(user=user, now=now)
    user.last_login = now
    user.save(update_fields=["last_login"])
    audit.record(
        "user.logged_in",
        principal=Principal.for_user(user, workspace=workspace, ip=client_ip(request)),
        target=user,
    )
    return answer(pair, workspace=workspace, status=status)


def answer(
    pair: sessions.TokenPair, *, workspace: Workspace | None = None, status: int = 200
) -> Response:
    """The documented body of a login, and both cookies."""
    user = pair.user
    workspace = workspace or user.default_workspace
    body = {
        "user": UserSerializer(user).data,
        "workspace": _told(workspace, user) if workspace else None,
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "bearer",
        "expires_in": tokens.ACCESS_SECONDS,
    }
    response = Response(body, status=status)
    safe: dict[str, Any] = {"httponly": True, "secure": settings.SESSION_COOKIE_SECURE}
    response.set_cookie(
        ACCESS_COOKIE,
        pair.access_token,
        max_age=tokens.ACCESS_SECONDS,
        samesite="Lax",
        path="/",
        **safe,
    )
    response.set_cookie(
        REFRESH_COOKIE,
        pair.refresh_token,
        max_age=tokens.REFRESH_SECONDS,
        samesite="Strict",
        path=REFRESH_PATH,
        **safe,
    )
    return response
