"""One's own second factor: shown when logging in, set up and taken away."""

from typing import Any

import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import audit
from accounts.auth import attempt_limits, second_factor
from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from accounts.models import SecondFactor, User
from accounts.staff.login import FACTOR_PAGE, PASSED, enforce_attempt_limit
from voiceops.core.errors import Invalid


class NoEchoInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # the library is not typed
    """A code that was wrong is not shown again: the next one would be typed behind it."""

    def format_value(self, value: Any) -> None:
        return None


class CodeForm(forms.Form):
    """Takes a code of whoever is logged in. Too many wrong ones, from wherever, and none is taken
    for a while.
    """

    code = forms.CharField(
        label="Code",
        max_length=40,
        widget=NoEchoInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )

    def __init__(self, request: HttpRequest, factor: SecondFactor) -> None:
        super().__init__(request.POST or None)
        self.request, self.factor = request, factor
        self.recovery_codes: list[str] = []

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        principal = principal_of_user(self.request)
        enforce_attempt_limit(self.request, "code", self.factor.user_id)
        if not self.try_code(code, principal):
            audit.record("second_factor.refused", principal=principal, target=self.factor.user)
            raise ValidationError(second_factor.WRONG_CODE)
        attempt_limits.reset_attempts("code", self.factor.user_id)
        self.request.session[PASSED] = True
        self.request.session.cycle_key()
        return code

    def try_code(self, code: str, principal: Principal) -> bool:
        now = timezone.now()
        if self.factor.confirmed_at is not None:
            return second_factor.accepts(factor=self.factor, code=code, now=now)
        try:
            self.recovery_codes = second_factor.confirm(
                factor=self.factor, code=code, now=now, principal=principal
            )
        except Invalid:
            return False
        return True


@never_cache
def second_factor_view(request: HttpRequest) -> HttpResponse:
    """Ask for the code; once it was given, or where there is none yet, show what can be done."""
    assert isinstance(request.user, User)
    factor = second_factor.factor_of(request.user)
    if factor is None:
        return set_up(request, second_factor.pending(request.user))
    if not request.session.get(PASSED):
        return ask(request, factor)
    return manage(request, factor)


def ask(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    form = CodeForm(request, factor)
    if form.is_valid():
        return redirect(next_page(request))
    return render(request, "ask", form=form)


def set_up(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    form = CodeForm(request, factor)
    if form.is_valid():
        return render(request, "codes", codes=form.recovery_codes, next=next_page(request))
    address = second_factor.address_of(factor)
    picture = segno.make(address, error="m").svg_inline(
        scale=5, dark="#000", light="#fff", border=3
    )
    return render(
        request,
        "setup",
        form=form,
        picture=mark_safe(picture),  # noqa: S308 - made by us, of a secret and an address that segno encodes as squares
        secret=second_factor.secret_of(factor),
        demanded=settings.STAFF_SECOND_FACTOR,
    )


def manage(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    """New recovery codes, or none of it any more: for both the app must be at hand."""
    form = CodeForm(request, factor)
    if form.is_valid() and "remove" in request.POST:
        second_factor.remove(factor=factor, principal=principal_of_user(request))
        request.session.pop(PASSED)
        messages.success(request, "The second factor was removed.")
        return redirect("admin:index")
    if form.is_valid():
        codes = second_factor.renew_codes(factor=factor, principal=principal_of_user(request))
        return render(request, "codes", codes=codes, next=reverse(f"admin:{FACTOR_PAGE}"))
    left = factor.recovery_codes.filter(used_at=None).count()
    return render(request, "manage", form=form, factor=factor, left=left)


def render(request: HttpRequest, name: str, **told: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Second factor", **told}
    return TemplateResponse(request, f"admin/second_factor/{name}.html", context)


def next_page(request: HttpRequest) -> str:
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("admin:index")


def principal_of_user(request: HttpRequest) -> Principal:
    assert isinstance(request.user, User)
    return Principal(user=request.user, ip=client_ip(request))
