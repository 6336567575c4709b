"""Settings of a workspace, its members and its audit log; and the reader's own account."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.calling_profiles import PROFILES
from accounts.roles import Role
from console.api import Refused
from console.forms import Form, as_number, filled
from console.pages import Page
from console.views.rows import RowsPage
from console.words import choices_of, weekdays
from voiceops.core.time_zones import zone_names

# Numbers that may be empty, which lifts the limit.
LIMIT_LABELS = {
    "max_concurrent_calls": _lazy("Calls at the same time"),
    "max_calls_per_day": _lazy("Calls in a day, all together"),
    "max_attempts_per_day": _lazy("Calls to a number in a day"),
    "max_attempts_per_week": _lazy("Calls to a number in a week"),
    "max_attempts_per_30_days": _lazy("Calls to a number in 30 days"),
    "rest_days_after_answer": _lazy("Days of rest after an answer"),
    "rest_days_after_refusal": _lazy("Days of rest after a declined call"),
    "recording_retention_days": _lazy("Days that recordings are kept"),
    "transcript_retention_days": _lazy("Days that transcripts are kept"),
}
ALWAYS = {"timezone": "recipient", "days": [1, 2, 3, 4, 5], "start": "10:00", "end": "18:00"}


class SettingsView(Page):
    template = "settings/workspace"
    section = "settings"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        if not self.context()["can_admin"]:
            return self.error(403)
        try:
            self.api.patch(self._path(), settings_of(request))
        except Refused as refusal:
            return self._show(Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(_("The settings are saved."), "settings")

    def _path(self) -> str:
        assert self.principal.workspace is not None
        return f"/workspaces/{self.principal.workspace.pk}"

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        values = self.api.get(self._path())
        form.values = {**values, **form.values}
        return self.show(
            status=status,
            form=form,
            window=simple_window(values["calling_window"]),
            has_window=values["calling_window"] is not None,
            zones=[(name, name.replace("_", " ")) for name in sorted(zone_names())],
            profiles=[("", _("None")), *((code, PROFILES[code].title) for code in PROFILES)],
            limits=list(LIMIT_LABELS.items()),
            days=weekdays(),
            tab="workspace",
        )


class MembersView(Page):
    template = "settings/members"
    section = "settings"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        if not self.context()["can_admin"]:
            return self.error(403)
        try:
            done = self._carry_out(request)
        except Refused as refusal:
            return self._show(Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(done, "members")

    def _path(self, *parts: str) -> str:
        assert self.principal.workspace is not None
        return "/".join(["/workspaces", str(self.principal.workspace.pk), *parts])

    def _carry_out(self, request: HttpRequest) -> str:
        """Invite, change a role, remove, or withdraw; return what was done in words."""
        post = request.POST
        if member := post.get("member"):
            if "remove" in post:
                self.api.delete(self._path("members", str(UUID(member))))
                return _("The member is removed.")
            body = {"role": post.get("role")}
            self.api.patch(self._path("members", str(UUID(member))), body)
            return _("The role is changed.")
        if invitation := post.get("invitation"):
            self.api.delete(self._path("invitations", str(UUID(invitation))))
            return _("The invitation is withdrawn.")
        body = {"email": "", **filled(post, "email", "role")}
        self.api.post(self._path("invitations"), body)
        return _("The invitation is on its way.")

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        is_admin = self.context()["can_admin"]
        return self.show(
            status=status,
            members=self.api.get(self._path("members"), page_size=200)["items"],
            invitations=self.api.get(self._path("invitations"))["items"] if is_admin else [],
            roles=choices_of("role"),
            form=form,
            tab="members",
        )


class AuditView(RowsPage):
    template = "settings/audit"
    section = "settings"
    required_role = Role.ADMIN
    path = "/audit-log"
    filters = ("action", "from", "to")

    def besides(self, page: Any) -> dict[str, Any]:
        return {"tab": "audit"}


def settings_of(request: HttpRequest) -> dict[str, Any]:
    """Return the settings that the form carries, as the API wants them."""
    post = request.POST
    body: dict[str, Any] = {name: post[name] for name in ("name", "timezone") if name in post}
    body["calling_profile"] = post.get("calling_profile") or None
    body["min_gap_minutes"] = as_number(post.get("min_gap_minutes")) or 0
    body.update({name: as_number(post.get(name)) for name in LIMIT_LABELS})
    choice = post.get("window")
    if choice == "none":
        body["calling_window"] = None
    elif choice == "simple":
        span = {
            "days": [int(day) for day in post.getlist("days") if day.isdecimal()],
            "start": post.get("window_start", ""),
            "end": post.get("window_end", ""),
        }
        body["calling_window"] = {"timezone": "recipient", "spans": [span]}
    return body


def simple_window(window: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the window as one span of hours; None when it is more than that."""
    if window is None:
        return ALWAYS
    spans = window.get("spans", [])
    if len(spans) != 1 or window["timezone"] != "recipient" or window.get("closed_dates"):
        return None
    return dict(spans[0])
