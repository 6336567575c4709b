"""The overview, and the choice of a workspace."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from accounts.services.registration import has_users
from console import charts
from console.api import Api, Refused
from console.forms import Form, filled
from console.pages import Page, is_part, remember_workspace
from voiceops.api.error_pages import wants_page
from voiceops.api.errors import json_error
from voiceops.api.reader_zone import reader_zone

HOURS_A_DAY = 24
MAX_RUNNING = 5
MAX_WARNINGS_READ = 20
MAX_WARNED_AGENTS = 5


def to_home(request: HttpRequest) -> HttpResponse:
    """Lead from /console to the first page."""
    return redirect("console:home")


# It has no form: what a program posts is answered with 404.
@method_decorator(csrf_exempt, name="dispatch")
class HomeView(Page):
    template = "home/overview"
    section = "home"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # To programs this address is unknown, as every other that is not documented.
        if not (wants_page(request) or is_part(request)):
            return json_error(404)
        # Nobody can sign in to an empty installation.
        if "access_token" not in request.COOKIES and not has_users():
            return redirect("console:first-account")
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        figures = read_figures(self.api, self._midnight(), timezone.now())
        batches = self.api.get("/batches", page_size=MAX_WARNINGS_READ)["items"]
        numbers = self.api.get("/phone-numbers")["items"]
        unspoken = self.api.get("/agents/published-warnings", page_size=MAX_WARNED_AGENTS)["items"]
        running = [batch for batch in batches if batch["status"] in ("running", "paused")]
        for batch in running:
            batch["bar"] = charts.batch_bar(batch["counts"])
        context = {
            **figures,
            "running": running[:MAX_RUNNING],
            "needs": needs_of(batches, numbers, unspoken),
            "has_number": bool(numbers),
            "has_batch": bool(batches),
            "agents": self.api.get("/agents", page_size=1)["total"],
        }
        return self.show("home/figures" if "part" in request.GET else "", **context)

    def _midnight(self) -> datetime:
        assert self.principal.workspace is not None
        zone = reader_zone(self.request, self.principal.workspace.timezone)
        now = timezone.now().astimezone(zone)
        return now.replace(hour=0, minute=0, second=0, microsecond=0)


class AliveView(Page):
    """Answers a page that asks whether its session still holds."""

    needs_workspace = False

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=204)


class WorkspacesView(Page):
    """Lists the reader's workspaces, to choose one or make one."""

    template = "home/workspaces"
    needs_workspace = False

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(Form())

    def post(self, request: HttpRequest) -> HttpResponse:
        chosen = request.POST.get("workspace")
        if chosen is None:
            try:
                made = self.api.post("/workspaces", {"name": "", **filled(request.POST, "name")})
            except Refused as refusal:
                return self._show(Form.refused(request.POST.dict(), refusal), status=422)
            chosen = made["id"]
        response = redirect("console:home")
        remember_workspace(response, chosen)
        return response

    def _show(self, form: Form, status: int = 200) -> HttpResponse:
        user = self.api.get("/auth/me")
        return self.show(status=status, workspaces=user["workspaces"], form=form)


def read_figures(api: Api, midnight: datetime, now: datetime) -> dict[str, Any]:
    """Return today's figures, beside those up to the same time yesterday and a week ago."""
    day = _summary(api, midnight, now, "hour")
    earlier = {
        name: _summary(api, midnight - timedelta(days=days), now - timedelta(days=days), "hour")
        for name, days in (("yesterday", 1), ("last_week", 7))
    }
    return {
        "today": day["totals"],
        "cards": _cards(day["totals"], {name: part["totals"] for name, part in earlier.items()}),
        "columns": _columns(day, midnight),
        "legend": charts.legend_of(day["totals"]["outcomes"]),
        "outcomes": charts.outcome_bars(day["totals"]["outcomes"]),
    }


def _summary(api: Api, since: datetime, until: datetime, group_by: str) -> Any:
    span = {"from": since.isoformat(), "to": until.isoformat()}
    return api.get("/analytics/summary", **span, group_by=group_by)


def _cards(today: dict[str, Any], earlier: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    cards = (
        (_("Calls"), "count", "calls"),
        (_("Answered"), "count", "answered"),
        (_("Answer rate"), "percent", "answer_rate"),
        (_("Talk time"), "duration", "talk_seconds"),
    )
    return [
        {
            "label": label,
            "kind": kind,
            "value": today[name],
            "yesterday": charts.change(today[name], earlier["yesterday"][name]),
            "last_week": charts.change(today[name], earlier["last_week"][name]),
        }
        for label, kind, name in cards
    ]


def _columns(day: dict[str, Any], midnight: datetime) -> list[charts.Column]:
    zone = midnight.tzinfo
    groups = {
        f"{datetime.fromisoformat(group['key']).astimezone(zone):%H}": group["outcomes"]
        for group in day["groups"]
    }
    return charts.columns_over_time(groups, [f"{hour:02}" for hour in range(HOURS_A_DAY)])


def needs_of(
    batches: list[dict[str, Any]], numbers: list[dict[str, Any]], unspoken: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what waits for a person: review, batches that stopped by themselves, bad numbers, and
    agents on calls that no voice worker can play.
    """
    needs: list[dict[str, Any]] = []
    for batch in batches:
        if batch["status"] in ("paused", "failed") and batch["error"]:
            needs.append({"kind": "paused", "batch": batch, "text": batch["error"]})
        if batch["counts"]["review"]:
            needs.append({"kind": "review", "batch": batch, "count": batch["counts"]["review"]})
    failing = (number for number in numbers if number["status"] in ("error", "failing"))
    needs.extend({"kind": "number", "number": number} for number in failing)
    return [*needs, *({"kind": "agent", "agent": agent} for agent in unspoken)]
