"""Logging in to the admin, and the checks before each of its pages.

A password and, where required or set up, a second factor let a member of staff in; half an hour of
inactivity logs them out.
"""

from collections.abc import Callable
from datetime import timedelta
from math import ceil
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

from accounts.auth import attempt_limits, second_factor
from accounts.auth.authentication import client_ip
from accounts.models import User, canonical_email
from accounts.services import login
from voiceops.api.reader_zone import reader_zone
from voiceops.core.extension_points import ExtensionPoint

IDLE_TIMEOUT = timedelta(minutes=30)
ACTIVITY_WRITE_SECONDS = 60  # one write a minute to the session, not one a request
# Keys of the session and of `request.META`.
LAST_ACTIVITY = "seen_at"
SECOND_FACTOR_PASSED = "second_factor"
RETRY_AFTER = "voiceops.retry_after"
SECOND_FACTOR_PAGE = "accounts_secondfactor_mine"
# Without a session; those of the wall have a token of their own (ops/control/wall.py).
ADMIN_PATH = "/admin/"
OPEN_PAGES = ("login", "logout", "wall", "wall_part")

# URL names that an open page polls by itself. They do not count as activity of its reader.
POLLED_PAGES: ExtensionPoint[str] = ExtensionPoint("polled pages of the admin")


class StaffLoginForm(AuthenticationForm):  # type: ignore[misc]  # the library is not typed
    """Limits attempts per account and IP address.

    While the limit is exceeded the right password is refused too.
    """

    def clean(self) -> dict[str, Any]:
        email = canonical_email(self.cleaned_data.get("username") or "")
        ip = client_ip(self.request)
        user = User.objects.filter(email=email).first()
        # Counted per account and address, so that a stranger cannot lock staff out.
        enforce_attempt_limit(self.request, "login", email, ip)
        try:
            values: dict[str, Any] = super().clean()
        except ValidationError:
            if user is not None:
                login.record_failed_login(user=user, ip=ip)
            raise
        attempt_limits.reset_attempts("login", email, ip)
        assert user is not None
        login.record_admin_login(user=user, ip=ip)
        return values


def enforce_attempt_limit(request: HttpRequest, *subject: object) -> None:
    """Count an attempt at `subject`, for example an account and an IP address.

    Raises ValidationError when there were too many, and makes the response a 429.
    """
    if seconds := attempt_limits.register_attempt(*subject, now=timezone.now()):
        request.META[RETRY_AFTER] = seconds
        minutes = ceil(seconds / 60)
        raise ValidationError(f"Too many attempts. Wait {minutes} minutes, then try again.")


class StaffAccessMiddleware:
    """Checks inactivity and the second factor before every page of the admin.

    Times are displayed and read in the reader's zone there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(ADMIN_PATH):
            # Around the response, too: pages are rendered after their view.
            with timezone.override(reader_zone(request, settings.TIME_ZONE)):
                response = self.get_response(request)
        else:
            response = self.get_response(request)
        if seconds := request.META.get(RETRY_AFTER):
            response.status_code = 429
            response.headers["Retry-After"] = str(seconds)
        return response

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        if match is None or match.app_name != "admin" or match.url_name in OPEN_PAGES:
            return None
        if not isinstance(request.user, User):
            return None  # the admin itself redirects to the login
        if is_idle(request, is_activity=match.url_name not in POLLED_PAGES.all()):
            logout(request)
            messages.info(request, "You were logged out after 30 minutes of inactivity.")
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if match.url_name == SECOND_FACTOR_PAGE or has_passed(request, request.user):
            return None
        query = urlencode({"next": request.get_full_path()})
        return redirect(f"{reverse(f'admin:{SECOND_FACTOR_PAGE}')}?{query}")


def is_idle(request: HttpRequest, *, is_activity: bool) -> bool:
    """Whether the session has been inactive for too long. If not, its last activity is updated."""
    now = timezone.now().timestamp()
    last_activity = request.session.get(LAST_ACTIVITY, now)
    idle_seconds = now - last_activity
    if idle_seconds > IDLE_TIMEOUT.total_seconds():
        return True
    is_due = is_activity and idle_seconds > ACTIVITY_WRITE_SECONDS
    # A session without the key has just logged in.
    if LAST_ACTIVITY not in request.session or is_due:
        request.session[LAST_ACTIVITY] = now
    return False


def has_passed(request: HttpRequest, user: User) -> bool:
    """Whether this session has passed the second factor, or needs none."""
    if request.session.get(SECOND_FACTOR_PASSED):
        return True
    return not settings.STAFF_SECOND_FACTOR and second_factor.find_confirmed(user) is None
