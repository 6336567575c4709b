"""The base of every page for a signed-in user: who reads it, in which workspace, with which role.

Credentials are the API's: the cookie of its sessions (accounts/auth/sessions.py). A page without
them leads to the door; a part of a page that a script fetches is answered 401.
"""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.generic import View
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.auth.authentication import ApiAuthentication
from accounts.auth.origin import own_page
from accounts.auth.principal import Principal
from accounts.auth.tokens import NO_ID, as_uuid
from accounts.roles import Role
from console.api import Api, Refused
from console.forms import refusal_text
from voiceops.api.error_pages import error_page
from voiceops.api.reader_zone import reader_zone

WORKSPACE_COOKIE = "console_workspace"
COOKIE_SECONDS = 365 * 24 * 3600


class Page(View):
    """A page of one workspace. `section` is the entry of the navigation that it belongs to."""

    template: ClassVar[str] = ""
    section: ClassVar[str] = ""
    required_role: ClassVar[Role] = Role.MEMBER
    # Where reading asks for less than sending the page's form does.
    required_role_to_post: ClassVar[Role] = Role.MEMBER
    needs_workspace: ClassVar[bool] = True
    # The page has phone numbers in full, or a recording.
    needs_numbers: ClassVar[bool] = False
    principal: Principal
    api: Api

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = self._enter(request) or self._respond(request, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        patch_vary_headers(response, ["Cookie", "HX-Request"])
        return response

    def _enter(self, request: HttpRequest) -> HttpResponseBase | None:
        """Find out who reads the page; return where to go instead, if it is not for them."""
        api, principal = authenticate(request)
        if principal is None:
            return ask_to_sign_in(request)
        if principal.workspace is None and self.needs_workspace:
            return redirect("console:workspaces")
        self.api, self.principal = api, principal
        required = self.required_role
        if request.method == "POST":
            required = max(required, self.required_role_to_post)
        if self.needs_workspace and self.role < required:
            return self.error(403)
        if self.needs_numbers and not sees_numbers(principal):
            return self.error(403)
        return None

    def _respond(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Refused as refusal:
            if refusal.status == 401:
                return ask_to_sign_in(request)
            # A refusal that its view has not put beside a field.
            return self.error(refusal.status, refusal_text(refusal))

    @property
    def role(self) -> Role:
        """The reader's role in the workspace."""
        return self.principal.role or Role.MEMBER

    def context(self) -> dict[str, Any]:
        """Return what the layout needs."""
        workspace = self.principal.workspace
        return {
            "me": self.principal.user,
            "workspace": workspace,
            "section": self.section,
            "can_manage": self.principal.role is not None and self.role >= Role.MANAGER,
            "can_admin": self.principal.role is not None and self.role >= Role.ADMIN,
            "sees_numbers": sees_numbers(self.principal),
            "page_query": query_without_page(self.request),
            "zone": reader_zone(self.request, workspace.timezone if workspace else "UTC"),
        }

    def show(self, template: str = "", *, status: int = 200, **context: Any) -> HttpResponse:
        """Return a page or a part of one."""
        name = template or self.template
        values = {**self.context(), **context}
        return render(self.request, f"console/{name}.html", values, status=status)

    def error(self, status: int, text: str = "") -> HttpResponse:
        """Return the page of an error, within the navigation if the reader has one."""
        if is_part(self.request) or self.principal.workspace is None:
            return error_page(status)
        return self.show("error", status=status, code=status, text=text)

    def done(self, text: str, view: str, **kwargs: Any) -> HttpResponse:
        """Say what was done, and go on to a page."""
        messages.success(self.request, text)
        return HttpResponseRedirect(reverse(f"console:{view}", kwargs=kwargs))

    def refuse(self, refusal: Refused, view: str, **kwargs: Any) -> HttpResponse:
        """Say why something was not done, and go back to a page."""
        messages.error(self.request, refusal_text(refusal))
        return HttpResponseRedirect(reverse(f"console:{view}", kwargs=kwargs))


def authenticate(request: HttpRequest) -> tuple[Api, Principal | None]:
    """Return the API for the reader, in the workspace they chose, and who they are."""
    chosen = as_uuid(request.COOKIES.get(WORKSPACE_COOKIE))
    api = Api(request, str(chosen) if chosen != NO_ID else None)
    principal = _principal_of(api)
    if principal is not None and principal.workspace is None and api.workspace_id is not None:
        # They are no member of it any more: their default workspace counts.
        api = Api(request)
        principal = _principal_of(api)
    api.principal = principal
    return api, principal


def _principal_of(api: Api) -> Principal | None:
    try:
        found = ApiAuthentication().authenticate(Request(api.request_for("GET", "/")))
    except AuthenticationFailed:
        return None
    return found[1] if found else None


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """Lead to the door and back; a part of a page is answered 401, for the page's script."""
    if is_part(request) or request.method != "GET":
        return error_page(401)
    query = urlencode({"next": request.get_full_path()})
    return redirect(f"{reverse('console:continue')}?{query}")


def is_part(request: HttpRequest) -> bool:
    """Whether a script asks for a part of a page."""
    return "HX-Request" in request.headers


def next_page(values: QueryDict) -> str:
    """Return the page of ours that the reader wanted before the door, or the first one."""
    return own_page(values.get("next", ""), default=reverse("console:home"))


def sees_numbers(principal: Principal) -> bool:
    """Whether the reader sees phone numbers in full, and may listen to recordings."""
    if principal.role is None or principal.workspace is None:
        return False
    return principal.role >= Role.MANAGER or principal.workspace.members_see_numbers


def query_without_page(request: HttpRequest) -> str:
    """Return the query of a list's filters, to which a page number is added."""
    query = request.GET.copy()
    query.pop("page", None)
    return f"{query.urlencode()}&" if query else ""


def remember_workspace(response: HttpResponse, workspace_id: str) -> None:
    """Remember the choice of a workspace. Each request checks whether it is the reader's."""
    response.set_cookie(
        WORKSPACE_COOKIE,
        workspace_id,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
