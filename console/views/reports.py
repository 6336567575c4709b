"""Figures of calls over a range of days, drawn, as tables, and as CSV."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.auth.tokens import as_uuid
from console import charts
from console.api import Refused
from console.forms import Form, filled, refusal_text
from console.pages import Page
from console.views import report_ranges, report_tables
from console.views.report_ranges import ReportRange
from console.views.rows import all_of
from console.wording.words import sip_words, weekdays
from voiceops.api.reader_zone import reader_zone

MAX_SIP_CAUSES = 10
MAX_GROUPS = 50
TICKS = 8


class ReportPage(Page):
    """A page about the calls of a range, which its address holds."""

    section = "reports"

    def read_range(self) -> ReportRange:
        """Return the range of the address. Raises BadRange."""
        assert self.principal.workspace is not None
        zone = reader_zone(self.request, self.principal.workspace.timezone)
        return report_ranges.range_of(self.request.GET, zone, timezone.now())

    def summarize(self, span: ReportRange, group_by: str) -> Any:
        """Return the API's summary of the range."""
        return self.api.get("/analytics/summary", **span.query, group_by=group_by)


class ReportsView(ReportPage):
    template = "reports/page"

    def get(self, request: HttpRequest) -> HttpResponse:
        links: dict[str, Any] = {
            "ranges": report_ranges.choices(),
            "saved": self._saved(),
            "chosen": request.GET.get("range", report_ranges.DEFAULT),
        }
        try:
            span = self.read_range()
        except report_ranges.BadRange as error:
            form = Form(request.GET.dict(), message=str(error))
            return self.show(**links, form=form, status=422)
        form = Form({"from": span.first.isoformat(), "to": span.last.isoformat()})
        return self.show(**links, form=form, span=span, **self._figures(span))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep a range under a name, forget one, or begin or end its weekly e-mail."""
        try:
            messages.success(request, self._carry_out(request.POST))
        except Refused as refusal:
            messages.error(request, refusal_text(refusal))
        query = urlencode(report_ranges.query_of(request.POST))
        return redirect(f"{reverse('console:reports')}?{query}")

    def _carry_out(self, post: QueryDict) -> str:
        """Do what the form asks for; return what was done in words."""
        if report := post.get("subscribe"):
            body = {"language": get_language()}
            self.api.post(f"/saved-reports/{as_uuid(report)}/subscribe", body)
            return _("You get this report by e-mail each Monday morning.")
        if report := post.get("unsubscribe"):
            self.api.post(f"/saved-reports/{as_uuid(report)}/unsubscribe")
            return _("You do not get this report by e-mail any more.")
        if report := post.get("forget"):
            self.api.delete(f"/saved-reports/{as_uuid(report)}")
            return _("The report is forgotten.")
        body = {"name": "", **filled(post, "name"), **report_ranges.body_of(post)}
        self.api.post("/saved-reports", body)
        return _("The report is kept under this name, for everybody in the workspace.")

    def _saved(self) -> list[dict[str, Any]]:
        """Return the reports that are kept under a name, each with the query of its range."""
        here = self.request.GET.urlencode()
        saved = []
        for report in all_of(self.api, "/saved-reports", sort="name"):
            query = urlencode(report_ranges.saved_query(report))
            saved.append({**report, "query": query, "is_chosen": query == here})
        return saved

    def _figures(self, span: ReportRange) -> dict[str, Any]:
        by_time = self.summarize(span, span.group_by)
        totals = by_time["totals"]
        if not totals["calls"]:
            return {"is_empty": True}
        versions = self.summarize(span, "agent_version")["groups"]
        table = report_tables.rows_by_time(by_time["groups"], span)
        return {
            "cards": _cards(totals, report_tables.cost_of(versions)),
            **_columns(table, span),
            "legend": charts.legend_of(totals["outcomes"]),
            "table": [row for row in table if row["calls"]],
            "outcomes": charts.outcome_bars(totals["outcomes"]),
            "causes": _causes(self.summarize(span, "sip_status")["groups"]),
            "agents": versions[:MAX_GROUPS],
            "numbers": self.summarize(span, "number")["groups"][:MAX_GROUPS],
            "heat": charts.heat_map(report_tables.by_weekday_and_hour(by_time["groups"], span)),
            "weekdays": weekdays(),
        }


class ReportFileView(ReportPage):
    """The figures of the range as CSV, by one criterion."""

    def get(self, request: HttpRequest, criterion: str) -> HttpResponseBase:
        if criterion not in report_tables.FILE_CRITERIA:
            return self.error(404)
        try:
            span = self.read_range()
        except report_ranges.BadRange as error:
            return self.error(400, str(error))
        if criterion == "day":
            groups = report_tables.rows_by_time(self.summarize(span, span.group_by)["groups"], span)
        else:
            groups = self.summarize(span, criterion)["groups"]
        response = HttpResponse(report_tables.to_csv(groups), content_type="text/csv")
        days = f"{span.first.isoformat()}-{span.last.isoformat()}"
        name = f"calls-by-{criterion.replace('_', '-')}-{days}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _cards(totals: Mapping[str, Any], cost: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [
        {"label": _("Calls"), "kind": "count", "value": totals["calls"]},
        {"label": _("Answered"), "kind": "count", "value": totals["answered"]},
        {"label": _("Answer rate"), "kind": "percent", "value": totals["answer_rate"]},
        {"label": _("Talk time"), "kind": "duration", "value": totals["talk_seconds"]},
        {"label": _("Cost of the models"), "kind": "cost", "value": cost},
    ]


def _columns(table: list[dict[str, Any]], span: ReportRange) -> dict[str, Any]:
    """Return the stacked columns, with a date below every so many."""
    groups = {row["label"]: row["outcomes"] for row in table}
    columns = charts.columns_over_time(groups, list(groups))
    return {"columns": columns, "every": max(1, len(columns) // TICKS), "by_hour": span.is_one_day}


def _causes(groups: list[dict[str, Any]]) -> list[charts.Part]:
    counts = {sip_words(group["key"]): group["calls"] for group in groups if group["key"]}
    return charts.plain_bars(counts)[:MAX_SIP_CAUSES]
