"""The way into the admin: a password, a second factor where there is one; and out after half an
hour of silence.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from unfold.forms import AuthenticationForm

from accounts import audit
from accounts.auth import attempt_limits
from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from accounts.auth.second_factor import factor_of
from accounts.models import User, canonical_email
from voiceops.core.extension_points import ExtensionPoint

IDLE = timedelta(minutes=30)
SEEN, PASSED, RETRY_AFTER = "seen_at", "second_factor", "voiceops.retry_after"
SEEN_EVERY_SECONDS = 60  # one write a minute, not one a request
FACTOR_PAGE = "accounts_secondfactor_mine"
DOORS = ("login", "logout")

# URL names that an open page polls by itself. They do not count as activity of its reader.
POLLED_PAGES: ExtensionPoint[str] = ExtensionPoint("polled pages of the admin")


class StaffLoginForm(AuthenticationForm):  # type: ignore[misc]  # the library is not typed
    """Five tries for an account from an address, then a quarter of an hour of rest, also for the
    right password.
    """

    def clean(self) -> dict[str, Any]:
        email = canonical_email(self.cleaned_data.get("username") or "")
        ip, user = client_ip(self.request), User.objects.filter(email=email).first()
        enforce_attempt_limit(self.request, "login", email, ip)
        try:
            values: dict[str, Any] = super().clean()
        except ValidationError:
            if user is not None:
                audit.record(
                    "user.login_failed", principal=Principal.for_user(user, ip=ip), target=user
                )
            raise
        attempt_limits.reset_attempts("login", email, ip)
        assert user is not None
        audit.record(
            "user.logged_in",
            principal=Principal.for_user(user, ip=ip),
            target=user,
            changes={"to": "admin"},
        )
        return values


def enforce_attempt_limit(request: HttpRequest, *what: object) -> None:
    """Raises ValidationError, and makes the answer a 429, when this has been tried too often."""
    if wait := attempt_limits.register_attempt(*what, now=timezone.now()):
        request.META[RETRY_AFTER] = wait
        raise ValidationError(f"Too many tries. Wait {-(-wait // 60)} minutes, then try again.")


class StaffAccessMiddleware:
    """Stands before every page of the admin."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if wait := request.META.get(RETRY_AFTER):
            response.status_code = 429
            response.headers["Retry-After"] = str(wait)
        return response

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        if match is None or match.app_name != "admin" or match.url_name in DOORS:
            return None
        if not isinstance(request.user, User):
            return None  # the admin itself asks for the login
        if is_idle(request, is_person=match.url_name not in POLLED_PAGES.all()):
            logout(request)
            messages.info(request, "You were logged out after 30 minutes without a sign of you.")
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if match.url_name == FACTOR_PAGE or may_enter(request, request.user):
            return None
        return redirect(
            f"{reverse(f'admin:{FACTOR_PAGE}')}?{urlencode({'next': request.get_full_path()})}"
        )


def is_idle(request: HttpRequest, *, is_person: bool) -> bool:
    now = timezone.now().timestamp()
    seen = request.session.get(SEEN, now)
    if now - seen > IDLE.total_seconds():
        return True
    if SEEN not in request.session or (is_person and now - seen > SEEN_EVERY_SECONDS):
        request.session[SEEN] = now
    return False


def may_enter(request: HttpRequest, user: User) -> bool:
    """With the second factor shown in this session; without one only where none is demanded."""
    if request.session.get(PASSED):
        return True
    return not settings.STAFF_SECOND_FACTOR and factor_of(user) is None
