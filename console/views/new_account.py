"""The doors of those who have no account yet."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from accounts.auth.authentication import client_ip
from accounts.serializers.auth import RegisterSerializer
from accounts.services import invitations, registration
from console.forms import Form, filled
from console.pages import remember_workspace
from console.views.doors import Door, enter
from voiceops.core.errors import DomainError, NotFound

FIELDS = ("email", "name", "workspace_name")


class SignUpView(Door):
    template = "sign_up"

    def submit(self, request: HttpRequest) -> HttpResponse:
        answer = self.api.send_json("POST", "/auth/register", new_account(request))
        return enter(request, answer, reverse("console:home"))


class FirstAccountView(Door):
    """Makes the operator's account, with the link that `make serve` prints."""

    template = "first_account"

    def get(self, request: HttpRequest) -> HttpResponse:
        token = request.GET.get("token", "")
        if registration.has_users():
            return redirect("console:sign-in")
        try:
            registration.require_first_user_token(token)
        except NotFound as refusal:
            return self.show(Form(message=str(refusal) if token else ""), has_token=False)
        return self.show(Form(), has_token=True, token=token)

    def post(self, request: HttpRequest) -> HttpResponse:
        token = request.POST.get("token", "")
        form = Form(request.POST.dict())
        serializer = RegisterSerializer(data=new_account(request))
        if not serializer.is_valid():
            form.errors = {name: str(errors[0]) for name, errors in serializer.errors.items()}
            return self.show(form, status=422, has_token=True, token=token)
        fields = {"workspace_name": "VoiceOps", **serializer.validated_data}
        try:
            registration.register_first_user(token=token, ip=client_ip(request), **fields)
        except DomainError as refusal:
            form.message = str(refusal)
            return self.show(form, status=422, has_token=False)
        return self._sign_in(request)

    def _sign_in(self, request: HttpRequest) -> HttpResponse:
        credentials = {name: request.POST.get(name, "") for name in ("email", "password")}
        answer = self.api.send_json("POST", "/auth/login", credentials)
        return enter(request, answer, reverse("console:home"))


class InvitationView(Door):
    """Accepts an invitation; its mail leads here."""

    template = "invitation"

    def show(self, form: Form, *, status: int = 200, **context: Any) -> HttpResponse:
        token = str(form.values.get("token", ""))
        try:
            invitation = invitations.find_invitation(token=token, now=timezone.now())
        except NotFound:
            return super().show(form, status=404, token="", **context)
        known = invitations.is_known_address(invitation.email)
        return super().show(
            form, status=status, token=token, invitation=invitation, is_known=known, **context
        )

    def submit(self, request: HttpRequest) -> HttpResponse:
        body = {name: request.POST[name] for name in ("token", "name") if name in request.POST}
        if request.POST.get("password"):
            body["password"] = request.POST["password"]
        answer = self.api.send_json("POST", "/auth/invitations/accept", body)
        response = enter(request, answer, reverse("console:home"))
        # They came for this workspace, whichever is their default one.
        remember_workspace(response, _workspace_of(answer))
        return response


def new_account(request: HttpRequest) -> dict[str, str]:
    """Return the fields of a new account, as the API wants them."""
    return {
        "email": "",
        **filled(request.POST, *FIELDS),
        "password": request.POST.get("password", ""),
    }


def _workspace_of(answer: HttpResponse) -> str:
    data: Any = getattr(answer, "data", {})
    return str((data.get("workspace") or {}).get("id", ""))
