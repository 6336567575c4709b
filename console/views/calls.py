"""Calls: the list, and one call with transcript, timeline and recording."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.roles import Role
from console.api import Refused
from console.forms import filled
from console.pages import Page, sees_numbers
from console.views.rows import CAPPED_TOTAL, RowsPage, find
from console.wording.words import choices_of, spelt_out

MAX_LISTED_EVENTS = 200
CALL_FILES = {"calls.csv": "/calls/export.csv", "calls.xlsx": "/calls/export.xlsx"}


class CallsView(RowsPage):
    template = "calls/list"
    section = "calls"
    path = "/calls"
    filters = ("search", "status", "outcome", "direction", "batch_id", "agent_id")
    fixed = CAPPED_TOTAL

    def besides(self, page: Any) -> dict[str, Any]:
        return {
            "statuses": choices_of("call"),
            "outcome_choices": choices_of("outcome"),
            "directions": [("outbound", _("Outbound")), ("inbound", _("Inbound"))],
        }


class CallView(Page):
    template = "calls/detail"
    section = "calls"

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        call = self.api.get(f"/calls/{pk}")
        context = {
            "call": call,
            "turns": self.api.get(f"/calls/{pk}/transcript")["turns"],
            "events": self.api.get(f"/calls/{pk}/events", page_size=MAX_LISTED_EVENTS)["items"],
            "start": call["answered_at"] or call["dialed_at"] or call["created_at"],
            "may_listen": call["has_recording"] and sees_numbers(self.principal),
        }
        if "part" in request.GET:
            return self.show("calls/live", **context)
        agent = find(self.api, f"/agents/{call['agent_id']}") if call["agent_id"] else None
        return self.show(
            **context,
            agent=agent,
            analysis=find(self.api, f"/calls/{pk}/analysis"),
            dispositions=disposition_choices(agent),
        )


class RecordingView(Page):
    """Leads the player to the recording, for those who may listen."""

    section = "calls"
    needs_numbers = True

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        url = self.api.get(f"/calls/{pk}/recording")["url"]
        # A link to this server must work under whatever name the reader knows it.
        is_local = url.startswith(f"{settings.PUBLIC_URL}/recordings/")
        return redirect(urlsplit(url).path if is_local else url)


class CallOrderView(Page):
    """Hangs up, transfers the callee, or sets the disposition."""

    required_role = Role.MANAGER
    section = "calls"

    def post(self, request: HttpRequest, pk: UUID, order: str) -> HttpResponse:
        bodies: dict[str, Any] = {
            "hangup": None,
            "transfer": {"to": "", **filled(request.POST, "to")},
            "disposition": filled(request.POST, "name", "note"),
        }
        if order not in bodies:
            return self.error(404)
        try:
            self.api.post(f"/calls/{pk}/{order}", bodies[order])
        except Refused as refusal:
            return self.refuse(refusal, "call", pk=pk)
        done = {
            "hangup": _("The call is being ended."),
            "transfer": _("The person is being connected."),
            "disposition": _("Disposition set."),
        }
        return self.done(done[order], "call", pk=pk)


class CallsFileView(Page):
    section = "calls"
    needs_numbers = True

    def get(self, request: HttpRequest, name: str) -> HttpResponseBase:
        if name not in CALL_FILES:
            return self.error(404)
        filters = (*CallsView.filters, "to", "from")
        query = {each: request.GET.get(each, "") for each in filters}
        return self.api.open(CALL_FILES[name], **query)


def disposition_choices(agent: Any) -> list[tuple[str, str]]:
    """Return how a call of the agent may have gone, for a select."""
    declared = agent["dispositions"] if agent else []
    return [(item["name"], item.get("label") or spelt_out(item["name"])) for item in declared]
