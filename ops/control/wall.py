"""The overview for a screen on a wall: read only, under a token of its own.

The token is a cookie of the browser in which a member of staff has opened the view. It outlives
their session, and opens this view alone. It ends after ninety days, when their password changes,
and when they are no staff any more.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import audit
from accounts.models import User
from accounts.staff.base import principal_of
from ops.control.overview import overview_context

WALL_COOKIE = "wall"
WALL_LIFETIME = timedelta(days=90)
WALL_SALT = "voiceops.wall"


@require_POST
def open_wall(request: HttpRequest) -> HttpResponse:
    """Give this browser the view for as long as the token lives, and go there."""
    assert isinstance(request.user, User)
    token = signing.dumps(
        {"user": str(request.user.pk), "mark": _mark_of(request.user)}, salt=WALL_SALT
    )
    audit.record("wall.opened", principal=principal_of(request), target=request.user)
    query = request.GET.urlencode()
    response = redirect(f"{reverse('admin:wall')}{'?' if query else ''}{query}")
    response.set_cookie(
        WALL_COOKIE,
        token,
        max_age=WALL_LIFETIME,
        path=reverse("admin:wall"),
        httponly=True,
        samesite="Strict",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response


@never_cache
def wall_page(request: HttpRequest) -> HttpResponse:
    """Return the view, or lead to the login without a token."""
    if not _let_in(request):
        return redirect("admin:login")
    return render(request, "admin/control/wall.html", _context(request))


@never_cache
def wall_part(request: HttpRequest) -> HttpResponse:
    """Return the part that refreshes itself. Raises PermissionDenied without a token."""
    if not _let_in(request):
        raise PermissionDenied
    return render(request, "admin/control/figures.html", _context(request))


def _let_in(request: HttpRequest) -> bool:
    """Whether the browser has a token; the request is then its owner's, for reading."""
    try:
        token = signing.loads(
            request.COOKIES.get(WALL_COOKIE, ""), salt=WALL_SALT, max_age=WALL_LIFETIME
        )
    except signing.BadSignature:
        return False
    owner = User.objects.filter(pk=token["user"], is_active=True, is_staff=True).first()
    if owner is None or not constant_time_compare(token["mark"], _mark_of(owner)):
        return False
    request.user = owner
    return request.method in ("GET", "HEAD")


def _mark_of(user: User) -> str:
    """Return what changes with the user's password, and says nothing about it."""
    return salted_hmac(WALL_SALT, user.password).hexdigest()[:16]


def _context(request: HttpRequest) -> dict[str, Any]:
    return {**overview_context(request), "is_wall": True}
