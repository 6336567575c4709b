"""Batches: the list, one batch with its orders, its people, and its files."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.roles import Role
from batches.reporting.reasons import BATCH_REASONS, ROW_REASONS, explain
from console import charts
from console.api import Refused
from console.forms import amount_of, as_number, filled, refusal_text, sentence
from console.pages import Page
from console.wording.words import choices_of

BATCH_ORDERS = ("start", "pause", "resume", "stop")
FILES = ("results.csv", "results.xlsx", "rejected.csv")
# The one order that a batch in this state waits for, at the same place whatever it is.
PRIMARY_ORDERS = {
    "ready": "start",
    "scheduled": "start",
    "running": "pause",
    "paused": "resume",
}
MAX_REASONS = 50
FINAL = ("completed", "stopped", "failed")
STOPPABLE = tuple(PRIMARY_ORDERS)


class BatchesView(Page):
    template = "batches/list"
    section = "batches"

    def get(self, request: HttpRequest) -> HttpResponse:
        query = {name: request.GET.get(name, "") for name in ("search", "status", "page")}
        page = self.api.get("/batches", **query)
        for batch in page["items"]:
            batch["bar"] = charts.batch_bar(batch["counts"])
        return self.show(page=page, filters=query, statuses=choices_of("batch"))


class BatchView(Page):
    template = "batches/detail"
    section = "batches"

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        if "part" in request.GET:
            return self.show("batches/panel", **self.panel(pk))
        batch = self.api.get(f"/batches/{pk}")
        return self.show(
            **self.panel(pk, batch),
            agent=self._find(f"/agents/{batch['agent_id']}"),
            number=self._find(f"/phone-numbers/{batch['phone_number_id']}"),
            budget=amount_of(batch["max_cost"]),
            is_over=batch["status"] in FINAL,
            cloned=[
                ("unreached", _("Those who were not reached")),
                ("all", _("Everybody on the list")),
            ],
            tab="progress",
        )

    def panel(self, pk: UUID, batch: Any = None) -> dict[str, Any]:
        """Return what the part that refreshes itself shows."""
        batch = batch or self.api.get(f"/batches/{pk}")
        progress = self.api.get(f"/batches/{pk}/progress")
        batch.update(status=progress["status"], counts=progress["counts"])
        counts = progress["counts"]
        live = counts["dialing"] + counts["in_call"]
        return {
            "batch": batch,
            "progress": progress,
            **charts.batch_pictures(counts, progress["outcomes"]),
            "reasons": [
                {**reason, "url": list_of_reason(pk, reason["code"])}
                for reason in self.api.get(f"/batches/{pk}/reasons")["items"]
            ],
            "primary": PRIMARY_ORDERS.get(batch["status"], ""),
            "can_stop": batch["status"] in STOPPABLE,
            "waiting": counts["pending"] + counts["retrying"],
            "live": live,
            # A stopped batch goes on until its last calls are over.
            "seconds": 10 if batch["status"] in FINAL and not live else 2,
        }

    def _find(self, path: str) -> Any:
        """Return a row that may be gone by now."""
        try:
            return self.api.get(path)
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None


def list_of_reason(pk: UUID, code: str) -> str:
    """Return the address of those whom a reason is about."""
    if code in ROW_REASONS:
        return reverse("console:batch-refused", args=[pk])
    # Who waits for the batch alone has no reason of their own.
    query = {"status": "pending"} if code in BATCH_REASONS else {"reason": code}
    return f"{reverse('console:batch-people', args=[pk])}?{urlencode(query)}"


class OrderView(BatchView):
    """Carries out one order, and answers with what the batch is then."""

    required_role = Role.MANAGER

    def get(self, request: HttpRequest, pk: UUID, order: str = "") -> HttpResponse:
        return redirect("console:batch", pk=pk)

    def post(self, request: HttpRequest, pk: UUID, order: str) -> HttpResponse:
        if order not in BATCH_ORDERS:
            return self.error(404)
        body = None
        if order == "stop":
            body = {"hang_up_active": request.POST.get("hang_up_active") == "1"}
        problem = ""
        try:
            self.api.post(f"/batches/{pk}/{order}", body)
        except Refused as refusal:
            problem = refusal_text(refusal)
        if "HX-Request" not in request.headers:
            return redirect("console:batch", pk=pk)
        return self.show("batches/panel", **self.panel(pk), problem=problem)


class BudgetView(Page):
    """Changes what a batch may cost; one that has spent its budget goes on when it is raised."""

    required_role = Role.MANAGER
    section = "batches"

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        limit = as_number(request.POST.get("max_cost"))
        try:
            self.api.patch(f"/batches/{pk}", {"max_cost": limit})
        except Refused as refusal:
            return self.refuse(refusal, "batch", pk=pk)
        return self.done(_("The budget is saved."), "batch", pk=pk)


class CloneView(Page):
    """Makes a batch of those of this one who are to be called again."""

    required_role = Role.MANAGER
    section = "batches"

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        try:
            batch = self.api.post(f"/batches/{pk}/clone", filled(request.POST, "only"))
        except Refused as refusal:
            return self.refuse(refusal, "batch", pk=pk)
        text = _("The new batch is ready. Nobody is called before you start it.")
        return self.done(text, "batch", pk=batch["id"])


class FileView(Page):
    section = "batches"
    needs_numbers = True

    def get(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponseBase:
        if name not in FILES:
            return self.error(404)
        batch = self.api.get(f"/batches/{pk}")
        response = self.api.open(f"/batches/{pk}/{name}")
        today = timezone.now().strftime("%Y-%m-%d")
        title = slugify(batch["name"]) or "batch"
        # The reader's downloads tell one batch from another.
        response["Content-Disposition"] = f'attachment; filename="{title}-{today}-{name}"'
        return response


class RecipientsView(Page):
    template = "batches/people"
    section = "batches"

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        names = ("status", "outcome", "reason", "page")
        query = {name: request.GET.get(name, "") for name in names}
        batch = self.api.get(f"/batches/{pk}")
        return self.show(
            batch=batch,
            reasons=self._reasons(pk, query["reason"]),
            page=self.api.get(f"/batches/{pk}/recipients", **query),
            filters=query,
            statuses=choices_of("recipient"),
            outcome_choices=choices_of("outcome"),
            tab="people",
        )

    def _reasons(self, pk: UUID, chosen: str) -> list[tuple[str, str]]:
        """Return why people of the batch are not called, for a select."""
        found = self.api.get(f"/batches/{pk}/reasons", page_size=MAX_REASONS)["items"]
        own = [each["code"] for each in found if each["code"] not in ROW_REASONS | BATCH_REASONS]
        codes = dict.fromkeys([*own, *([chosen] if chosen else [])])
        return [(code, sentence(explain(code).text)) for code in codes]


class RefusedRowsView(Page):
    template = "batches/refused"
    section = "batches"

    def get(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        page = request.GET.get("page", "")
        return self.show(
            batch=self.api.get(f"/batches/{pk}"),
            page=self.api.get(f"/batches/{pk}/rejected", page=page),
            tab="refused",
        )


class DecisionView(Page):
    """Releases a person in review to be called again, or closes the case."""

    required_role = Role.MANAGER
    section = "batches"

    def post(self, request: HttpRequest, pk: UUID, recipient: UUID, decision: str) -> HttpResponse:
        if decision not in ("release", "close"):
            return self.error(404)
        reason = request.POST.get("reason", "").strip()
        try:
            self.api.post(f"/batches/{pk}/recipients/{recipient}/{decision}", {"reason": reason})
        except Refused as refusal:
            return self.refuse(refusal, "batch-people", pk=pk)
        done = _("Will be called again.") if decision == "release" else _("The case is closed.")
        return self.done(done, "batch-people", pk=pk)
