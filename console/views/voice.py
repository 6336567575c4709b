"""Agents and phone numbers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.roles import Role
from agents.languages import language_choices
from agents.models import CONFIG_FIELDS
from console.api import Api, Refused
from console.forms import Form, as_number, filled
from console.pages import Page
from console.views.rows import RowsPage, all_of

MAX_LISTED_VERSIONS = 20


class AgentsView(RowsPage):
    template = "voice/agents"
    section = "agents"
    required_role_to_post = Role.MANAGER
    path = "/agents"
    filters = ("search",)

    def post(self, request: HttpRequest) -> HttpResponse:
        body = {"system_prompt": "", **filled(request.POST, "name", "system_prompt")}
        try:
            agent = self.api.post("/agents", body)
        except Refused as refusal:
            return self.rows(Form.refused(request.POST.dict(), refusal), status=422)
        return redirect("console:agent", pk=agent["id"])


class AgentView(Page):
    template = "voice/agent"
    section = "agents"
    required_role_to_post = Role.MANAGER

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return self._show(pk, Form())

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        names = ("name", "first_message", "system_prompt", "language")
        body = {name: request.POST[name] for name in names if name in request.POST}
        try:
            self.api.patch(f"/agents/{pk}", body)
        except Refused as refusal:
            return self._show(pk, Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(
            _("The draft is saved. It talks on calls once it is published."), "agent", pk=pk
        )

    def _show(self, pk: UUID, form: Form, status: int = 200) -> HttpResponse:
        agent = self.api.get(f"/agents/{pk}")
        versions = self.api.get(f"/agents/{pk}/versions", page_size=MAX_LISTED_VERSIONS)["items"]
        published = versions[0] if versions else None
        changes = changes_of(agent, published)
        warnings = self.api.get(f"/agents/{pk}/warnings")["warnings"]
        rehearsed = self.api.get(f"/agents/{pk}/rehearsals", page_size=1)["items"]
        return self.show(
            status=status,
            agent=agent,
            versions=versions,
            published=published,
            changes=changes,
            warnings=warnings,
            published_warnings=self._warnings_of_calls(pk) if changes else warnings,
            languages=language_choices(agent["language"]),
            scripts=self.api.get(f"/agents/{pk}/scripts")["scripts"],
            rehearsal=rehearsed and self.api.get(f"/agents/{pk}/rehearsals/{rehearsed[0]['id']}"),
            form=form if form.values else Form(agent),
        )

    def _warnings_of_calls(self, pk: UUID) -> list[str]:
        """Return what no voice worker can play of the version that talks on calls."""
        found = self.api.get("/agents/published-warnings", agent_id=pk)["items"]
        return found[0]["warnings"] if found else []


class AgentOrderView(Page):
    """Rehearses, replays, copies or publishes the draft, puts an earlier version in its place, or
    lets it call.
    """

    required_role = Role.MANAGER
    section = "agents"

    def post(self, request: HttpRequest, pk: UUID, order: str) -> HttpResponse:
        if order == "rehearse":
            return self._rehearse(pk, {})
        if order == "replay":
            return self._rehearse(pk, {"replay": request.POST.getlist("call")})
        if order == "call":
            return self._call(request, pk)
        if order == "duplicate":
            return self._duplicate(pk)
        version = request.POST.get("version", "")
        bodies: dict[str, Any] = {
            "publish": None,
            "rollback": {"version": int(version) if version.isdecimal() else None},
        }
        if order not in bodies:
            return self.error(404)
        try:
            agent = self.api.post(f"/agents/{pk}/{order}", bodies[order])
        except Refused as refusal:
            return self.refuse(refusal, "agent", pk=pk)
        text = _("Version %(number)s is published: the next calls use it.")
        return self.done(text % {"number": agent["published_version"]}, "agent", pk=pk)

    def _duplicate(self, pk: UUID) -> HttpResponse:
        try:
            copy = self.api.post(f"/agents/{pk}/duplicate")
        except Refused as refusal:
            return self.refuse(refusal, "agent", pk=pk)
        text = _("This is the copy. It talks on calls once it is published.")
        return self.done(text, "agent", pk=copy["id"])

    def _rehearse(self, pk: UUID, body: Mapping[str, Any]) -> HttpResponse:
        try:
            self.api.post(f"/agents/{pk}/rehearsals", body)
        except Refused as refusal:
            return self.refuse(refusal, "agent", pk=pk)
        return self.done(_("The draft is being rehearsed."), "agent", pk=pk)

    def _call(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        order = {"to": "", **filled(request.POST, "to")}
        body = {**order, "agent_id": str(pk), "variables": variables_of(request)}
        try:
            call = self.api.post("/calls", body)
        except Refused as refusal:
            return self.refuse(refusal, "agent", pk=pk)
        return redirect("console:call", pk=call["id"])


VARIABLE_PREFIX = "variable-"


def variables_of(request: HttpRequest) -> dict[str, str]:
    """Return the variables of a test call that were filled in."""
    return {
        name.removeprefix(VARIABLE_PREFIX): str(text)
        for name, text in request.POST.items()
        if name.startswith(VARIABLE_PREFIX) and text
    }


class NumbersView(RowsPage):
    template = "voice/numbers"
    section = "numbers"
    required_role_to_post = Role.ADMIN
    path = "/phone-numbers"

    def besides(self, page: Any) -> dict[str, Any]:
        names = agent_names(self.api)
        for number in page["items"]:
            number["inbound_agent"] = names.get(number["inbound_agent_id"])
        return {"agents": answering_choices(names)}

    def post(self, request: HttpRequest) -> HttpResponse:
        values = filled(request.POST, "phone_number", "label", "inbound_agent_id")
        sip = filled(request.POST, "address", "auth_username", "auth_password", "transport")
        body = {**values, "provider": "sip", "sip": sip}
        try:
            self.api.post("/phone-numbers", body)
        except Refused as refusal:
            return self.rows(Form.refused(request.POST.dict(), refusal), status=422)
        return self.done(_("The number is registered."), "numbers")


class NumberView(Page):
    template = "voice/number"
    section = "numbers"
    required_role_to_post = Role.ADMIN

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        number = self.api.get(f"/phone-numbers/{pk}")
        choices = answering_choices(agent_names(self.api))
        return self.show(number_row=number, agents=choices, form=Form(number))

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        limits = filled(request.POST, "calls_per_second", "max_concurrent_calls")
        body: dict[str, Any] = {name: as_number(text) for name, text in limits.items()}
        body["label"] = request.POST.get("label", "")
        body["inbound_agent_id"] = request.POST.get("inbound_agent_id") or None
        try:
            self.api.patch(f"/phone-numbers/{pk}", body)
        except Refused as refusal:
            return self.refuse(refusal, "number", pk=pk)
        return self.done(_("Saved."), "number", pk=pk)


class NumberOrderView(Page):
    """Places a test call from the number, compares it with LiveKit, or repairs it."""

    required_role = Role.ADMIN
    section = "numbers"

    def post(self, request: HttpRequest, pk: UUID, order: str) -> HttpResponse:
        try:
            if order == "test":
                call = self.api.post(f"/phone-numbers/{pk}/test", filled(request.POST, "to"))
                return redirect("console:call", pk=call["id"])
            if order == "check":
                found = self.api.get(f"/phone-numbers/{pk}/drift")["drift"]
                text = " ".join(found) or _("The number is at LiveKit as it should be.")
                return self.done(text, "number", pk=pk)
            if order == "repair":
                self.api.post(f"/phone-numbers/{pk}/repair")
                return self.done(_("The number is repaired."), "number", pk=pk)
        except Refused as refusal:
            return self.refuse(refusal, "number", pk=pk)
        return self.error(404)


def agent_names(api: Api) -> dict[str, str]:
    """Return the names of the workspace's agents by id."""
    return {agent["id"]: agent["name"] for agent in all_of(api, "/agents")}


def answering_choices(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return who may answer calls to a number."""
    return [("", _("Nobody answers")), *names.items()]


def changes_of(agent: dict[str, Any], published: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return in what the draft differs from the published version, by field."""
    if published is None:
        return []
    return [
        {"name": name, "before": published.get(name), "after": agent.get(name)}
        for name in CONFIG_FIELDS
        if published.get(name) != agent.get(name)
    ]
