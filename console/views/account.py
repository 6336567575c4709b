"""The reader's own account: name, password and second factor."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auth import attempt_limits, second_factor
from accounts.models import User
from console.api import Refused
from console.forms import Form, filled
from console.pages import COOKIE_SECONDS, Page
from console.wording import languages
from voiceops.core.errors import DomainError


class AccountView(Page):
    template = "settings/account"
    section = "account"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        if "language" in request.POST:
            return self._choose_language(request.POST["language"])
        names = ("current_password", "password")
        try:
            if "password" in request.POST:
                body = {name: request.POST.get(name, "") for name in names}
                self.api.post("/auth/password/change", body)
                return self.done(_("Your password is changed."), "account")
            self.api.patch("/auth/me", {"name": "", **filled(request.POST, "name")})
        except Refused as refusal:
            return self._show(Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(_("Saved."), "account")

    def _choose_language(self, chosen: str) -> HttpResponse:
        """Keep the language in this browser; none means that of the browser."""
        response = redirect("console:account")
        if chosen not in languages.codes():
            response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
            return response
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            chosen,
            max_age=COOKIE_SECONDS,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
        return response

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        user = self.principal.user
        assert user is not None
        return self.show(
            status=status,
            form=form,
            has_factor=second_factor.find_confirmed(user) is not None,
            languages=[("", _("That of the browser")), *languages.choices()],
            language=self.request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, ""),
            tab="account",
        )


class SecondFactorView(Page):
    """Sets a second factor up, or removes it. Removing asks for a code, as signing in does."""

    template = "settings/second_factor"
    section = "account"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        user = self._user()
        code = request.POST.get("code", "")
        if attempt_limits.register_attempt("code", user.pk, now=timezone.now()):
            wait = _("Too many wrong codes: wait a quarter of an hour.")
            return self._show(Form(message=wait), status=429)
        try:
            codes = self._carry_out(user, code)
        except DomainError as refusal:
            return self._show(Form(errors={"code": str(refusal)}), status=422)
        attempt_limits.reset_attempts("code", user.pk)
        if codes is None:
            return self.done(_("The second factor is removed."), "account")
        return self.show("settings/recovery_codes", codes=codes)

    def _carry_out(self, user: User, code: str) -> list[str] | None:
        """Return the recovery codes of a factor that is in effect now; None for a removed one."""
        now, principal = timezone.now(), self.principal
        factor = second_factor.find_confirmed(user)
        if factor is not None:
            second_factor.verify(factor=factor, code=code, now=now, principal=principal)
            second_factor.remove(factor=factor, principal=principal)
            return None
        unconfirmed = second_factor.get_or_begin_setup(user)
        return second_factor.confirm(factor=unconfirmed, code=code, now=now, principal=principal)

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        user = self._user()
        if second_factor.find_confirmed(user) is not None:
            return self.show(status=status, form=form, has_factor=True)
        factor = second_factor.get_or_begin_setup(user)
        secret = second_factor.decrypt_secret(factor)
        qr = second_factor.qr_code_of(factor)
        return self.show(status=status, form=form, has_factor=False, qr=qr, secret=secret)

    def _user(self) -> User:
        assert self.principal.user is not None
        return self.principal.user
