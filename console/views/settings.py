"""Settings of a workspace, its members and its audit log; and the reader's own account."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.auth.tokens import as_uuid
from accounts.calling_profiles import PROFILES
from accounts.roles import Role
from accounts.services.workspaces import update_workspace
from console.api import Refused
from console.forms import Form, amount_of, as_number, filled
from console.pages import Page
from console.views.rows import FilePage, RowsPage
from console.wording.events import event_choices
from console.wording.words import choices_of, countries, weekdays
from voiceops.core.prices import currency
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


class WorkspacePage(Page):
    """A page about the workspace itself, which admins change."""

    section = "settings"
    required_role_to_post = Role.ADMIN

    def path_of(self, *parts: str) -> str:
        """Return the API's path of the workspace, or of something below it."""
        assert self.principal.workspace is not None
        return "/".join(["/workspaces", str(self.principal.workspace.pk), *parts])


class SettingsView(WorkspacePage):
    template = "settings/workspace"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            self.api.patch(self.path_of(), settings_of(request))
        except Refused as refusal:
            return self._show(Form.refused(request.POST.dict(), refusal), status=422)
        self._set_what_members_see(request.POST.get("members"))
        return self.done(_("The settings are saved."), "settings")

    def _set_what_members_see(self, choice: str | None) -> None:
        """Change a setting that is none of the API's, because it is about these pages alone."""
        workspace = self.principal.workspace
        assert workspace is not None
        workspace.refresh_from_db()  # the API has just changed it
        chosen = {"masked": False, "full": True}.get(choice or "")
        if chosen is not None and chosen != workspace.members_see_numbers:
            changes = {"members_see_numbers": chosen}
            update_workspace(workspace=workspace, principal=self.principal, changes=changes)

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        values = self.api.get(self.path_of())
        values["publish_requires"] = ", ".join(values["publish_requires"])
        values["max_cost_per_day"] = amount_of(values["max_cost_per_day"])
        form.values = {**values, **form.values}
        return self.show(
            status=status,
            form=form,
            window=simple_window(values["calling_window"]),
            has_window=values["calling_window"] is not None,
            zones=[(name, name.replace("_", " ")) for name in sorted(zone_names())],
            profiles=[("", _("None")), *((code, PROFILES[code].title) for code in PROFILES)],
            limits=list(LIMIT_LABELS.items()),
            currency=currency(),
            days=weekdays(),
            holidays=holiday_choices(),
            tab="workspace",
        )


class MembersView(WorkspacePage):
    template = "settings/members"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            done = self._carry_out(request)
        except Refused as refusal:
            return self._show(Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(done, "members")

    def _carry_out(self, request: HttpRequest) -> str:
        """Invite, change a role, remove, or withdraw; return what was done in words."""
        post = request.POST
        if member := post.get("member"):
            if "remove" in post:
                self.api.delete(self.path_of("members", str(as_uuid(member))))
                return _("The member is removed.")
            body = {"role": post.get("role")}
            self.api.patch(self.path_of("members", str(as_uuid(member))), body)
            return _("The role is changed.")
        if invitation := post.get("invitation"):
            self.api.delete(self.path_of("invitations", str(as_uuid(invitation))))
            return _("The invitation is withdrawn.")
        body = {"email": "", **filled(post, "email", "role")}
        self.api.post(self.path_of("invitations"), body)
        return _("The invitation is on its way.")

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        is_admin = self.role >= Role.ADMIN
        return self.show(
            status=status,
            members=self.api.get(self.path_of("members"), page_size=200)["items"],
            invitations=self.api.get(self.path_of("invitations"))["items"] if is_admin else [],
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
        return {"tab": "audit", "actions": event_choices()}


class AuditFileView(FilePage):
    section = "settings"
    required_role = Role.ADMIN
    path = "/audit-log/export.csv"
    filters = AuditView.filters


def settings_of(request: HttpRequest) -> dict[str, Any]:
    """Return the settings that the form carries, as the API wants them."""
    post = request.POST
    body: dict[str, Any] = {name: post[name] for name in ("name", "timezone") if name in post}
    body["calling_profile"] = post.get("calling_profile") or None
    body["min_gap_minutes"] = as_number(post.get("min_gap_minutes")) or 0
    tags = (tag.strip() for tag in post.get("publish_requires", "").split(","))
    body["publish_requires"] = [tag for tag in tags if tag]
    body["max_cost_per_day"] = as_number(post.get("max_cost_per_day"))
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
        window: dict[str, Any] = {"timezone": "recipient", "spans": [span]}
        closed = [day.strip() for day in post.get("closed_dates", "").split(",") if day.strip()]
        if closed:
            window["closed_dates"] = closed
        if post.get("holidays"):
            window["holidays"] = post["holidays"]
        body["calling_window"] = window
    return body


def holiday_choices() -> list[tuple[str, str]]:
    """Return whose public holidays may be kept."""
    of_callee = ("recipient", _("Of the country of the person who is called"))
    return [("", _("Nobody's: holidays are days like others")), of_callee, *countries()]


def simple_window(window: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the window as one span of hours; None when it is more than that."""
    if window is None:
        return ALWAYS
    spans = window.get("spans", [])
    if len(spans) != 1 or window["timezone"] != "recipient":
        return None
    closed = ", ".join(window.get("closed_dates") or ())
    return {**spans[0], "closed_dates": closed, "holidays": window.get("holidays") or ""}
