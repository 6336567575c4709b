"""The pages with which staff enter, set up, renew and remove their own second factor."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.auth import attempt_limits, second_factor
from accounts.auth.origin import own_page
from accounts.models import SecondFactor, User
from accounts.staff.base import principal_of
from accounts.staff.login import (
    SECOND_FACTOR_PAGE,
    SECOND_FACTOR_PASSED,
    enforce_attempt_limit,
)
from voiceops.core.errors import Invalid


class NoEchoInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # the library is not typed
    """Comes back empty after a wrong code, so that the next one is not appended to it."""

    def format_value(self, value: Any) -> None:
        return None


class CodeForm(forms.Form):
    """Verifies a code of the user who is logged in. Attempts are limited per user."""

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=NoEchoInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )

    def __init__(self, request: HttpRequest, factor: SecondFactor) -> None:
        super().__init__(request.POST or None)
        self.request = request
        self.factor = factor
        self.recovery_codes: list[str] = []

    def clean_code(self) -> str:
        """Raises ValidationError for a wrong code, and after too many attempts."""
        code: str = self.cleaned_data["code"]
        enforce_attempt_limit(self.request, "code", self.factor.user_id)
        try:
            self._verify(code)
        except Invalid as refusal:
            raise ValidationError(str(refusal)) from refusal
        attempt_limits.reset_attempts("code", self.factor.user_id)
        self.request.session[SECOND_FACTOR_PASSED] = True
        # A new session id, because the session has gained rights.
        self.request.session.cycle_key()
        return code

    def _verify(self, code: str) -> None:
        now = timezone.now()
        principal = principal_of(self.request)
        if self.factor.confirmed_at is not None:
            second_factor.verify(factor=self.factor, code=code, now=now, principal=principal)
        else:
            self.recovery_codes = second_factor.confirm(
                factor=self.factor, code=code, now=now, principal=principal
            )


@never_cache
def second_factor_view(request: HttpRequest) -> HttpResponse:
    """Ask for a code; show the set-up page without a factor, and its management once it passed."""
    assert isinstance(request.user, User)
    factor = second_factor.find_confirmed(request.user)
    if factor is None:
        return set_up(request, second_factor.get_or_begin_setup(request.user))
    if not request.session.get(SECOND_FACTOR_PASSED):
        return ask_for_code(request, factor)
    return manage(request, factor)


def ask_for_code(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    form = CodeForm(request, factor)
    if form.is_valid():
        return redirect(next_page(request))
    return render(request, "ask", form=form)


def set_up(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    form = CodeForm(request, factor)
    if form.is_valid():
        return render(request, "codes", codes=form.recovery_codes, next=next_page(request))
    return render(
        request,
        "setup",
        form=form,
        picture=second_factor.qr_code_of(factor),
        secret=second_factor.decrypt_secret(factor),
        is_required=settings.STAFF_SECOND_FACTOR,
    )


def manage(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    """Renew the recovery codes or remove the factor. Either needs a code first."""
    form = CodeForm(request, factor)
    if form.is_valid() and "remove" in request.POST:
        second_factor.remove(factor=factor, principal=principal_of(request))
        request.session.pop(SECOND_FACTOR_PASSED)
        messages.success(request, "The second factor was removed.")
        return redirect("admin:index")
    if form.is_valid():
        codes = second_factor.renew_recovery_codes(factor=factor, principal=principal_of(request))
        return render(request, "codes", codes=codes, next=reverse(f"admin:{SECOND_FACTOR_PAGE}"))
    unused_codes = factor.recovery_codes.filter(used_at=None).count()
    return render(request, "manage", form=form, factor=factor, unused_codes=unused_codes)


def render(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    whole_context = {**admin.site.each_context(request), "title": "Second factor", **context}
    return TemplateResponse(request, f"admin/second_factor/{name}.html", whole_context)


def next_page(request: HttpRequest) -> str:
    """Return the page in `next` if it is one of ours, else the start page."""
    return own_page(request.GET.get("next", ""), default=reverse("admin:index"))
