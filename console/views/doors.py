"""The doors of those who have an account: signing in and out, and a forgotten password."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.generic import View

from accounts.services.login import SECOND_FACTOR_REQUIRED
from accounts.services.registration import has_users
from accounts.views.auth import REFRESH_COOKIE
from console.api import Api, Refused
from console.forms import Form, filled
from console.pages import WORKSPACE_COOKIE, authenticate, is_part, next_page


class Door(View):
    """A page for visitors. `submit` does what its form asks for."""

    template: ClassVar[str] = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.api = Api(request)
        response = super().dispatch(request, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(Form(request.GET.dict()))

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.submit(request)
        except Refused as refusal:
            return self.show(Form.refused(request.POST.dict(), refusal), status=422)

    def submit(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    def show(self, form: Form, *, status: int = 200, **context: Any) -> HttpResponse:
        values = {"form": form, "is_first": not has_users(), **context}
        name = f"console/doors/{self.template}.html"
        return render(self.request, name, values, status=status)


def enter(request: HttpRequest, answer: HttpResponse, page: str) -> HttpResponse:
    """Let somebody in: the API's cookies for the browser, and the way to the page."""
    # A script follows no redirect to another page by itself.
    response: HttpResponse = (
        HttpResponse(headers={"HX-Redirect": page}) if is_part(request) else redirect(page)
    )
    response.cookies.update(answer.cookies)
    return response


class SignInView(Door):
    template = "sign_in"

    def get(self, request: HttpRequest) -> HttpResponse:
        if authenticate(request)[1] is not None:
            return redirect(next_page(request.GET))
        return super().get(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        body = {"email": "", **filled(request.POST, "email", "code")}
        try:
            answer = self.api.send_json(
                "POST", "/auth/login", {**body, "password": request.POST.get("password", "")}
            )
        except Refused as refusal:
            return self._ask_again(request, refusal)
        return enter(request, answer, next_page(request.POST))

    def _ask_again(self, request: HttpRequest, refusal: Refused) -> HttpResponse:
        form = Form.refused(request.POST.dict(), refusal)
        needs_code = refusal.detail == SECOND_FACTOR_REQUIRED or "code" in request.POST
        if is_part(request):
            # What was typed stays in the page, the password too: only this part is replaced.
            values = {"form": form, "needs_code": needs_code}
            return render(request, "console/doors/sign_in_answer.html", values, status=422)
        return self.show(form, status=422, needs_code=needs_code)


class ForgottenView(Door):
    template = "forgotten"

    def submit(self, request: HttpRequest) -> HttpResponse:
        self.api.post("/auth/password/reset", {"email": "", **filled(request.POST, "email")})
        return self.show(Form(request.POST.dict()), is_sent=True)


class NewPasswordView(Door):
    """Sets a password with a token from an e-mail, which also proves the address."""

    template = "new_password"

    def submit(self, request: HttpRequest) -> HttpResponse:
        body = {name: request.POST.get(name, "") for name in ("token", "password")}
        self.api.post("/auth/password/reset/confirm", body)
        messages.success(request, _("Your password is set. Sign in with it."))
        return redirect("console:sign-in")


class SignOutView(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        answer = Api(request).send_json("POST", "/auth/logout", {})
        response = redirect("console:sign-in")
        response.cookies.update(answer.cookies)
        response.delete_cookie(WORKSPACE_COOKIE)
        return response


class ContinueView(View):
    """Renews the session of a reader whose access token has expired, and leads on.

    Browsers send the refresh token below /auth only, and not after a link on another site.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        page = next_page(request.GET)
        is_own = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        has_token = REFRESH_COOKIE in request.COOKIES
        if not (is_own and has_token) and "again" not in request.GET:
            # From here the browser comes back as from a page of ours, with the token if it has one.
            return self._come_back(request, page)
        try:
            if has_token:
                return enter(request, Api(request).send_json("POST", "/auth/refresh", {}), page)
        except Refused:
            pass  # the session has ended: the door
        return redirect(f"{reverse('console:sign-in')}?{urlencode({'next': page})}")

    def _come_back(self, request: HttpRequest, page: str) -> HttpResponse:
        query = urlencode({"next": page, "again": "1"})
        url = f"{reverse('console:continue')}?{query}"
        response = render(request, "console/doors/continue.html", {"url": url})
        response.headers["Cache-Control"] = "no-store"
        return response
