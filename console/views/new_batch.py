"""A new batch in three steps, on one page, so that the chosen file stays whatever goes wrong.

Each step sends the whole form: the list, and what was decided about it. The API's preview says what
would come of it; nothing is stored before the last step.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import PermissionDenied

from accounts.auth.origin import require_own_origin
from accounts.roles import Role
from batches.views.parsers import CappedUpload
from console.api import Refused
from console.forms import Form
from console.pages import Page
from console.views.rows import all_of
from console.wording.words import countries, spelt_out, weekdays
from voiceops.api.error_pages import error_page

# What a column may mean besides a variable of the agent; "" leaves it out.
MEANINGS = ("phone_number", "alternative_number", "external_id", "timezone", "priority")
STARTS = ("now", "manual", "scheduled")
STEPS = ("columns", "when", "estimate")


@method_decorator(csrf_exempt, name="dispatch")
class ListPage(Page):
    """A page whose form carries a list.

    Django's check of the token would read the whole body first, without the API's limits. The
    origin of the request is checked instead, as the API does, and before anything is read.
    """

    required_role = Role.MANAGER
    section = "batches"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            require_own_origin(request)
        except PermissionDenied:
            return error_page(403)
        request.upload_handlers = [CappedUpload(request)]
        return super().dispatch(request, *args, **kwargs)


class NewBatchPage(ListPage):
    """A page of the three steps, whose addresses the control room replaces by its own."""

    def context(self) -> dict[str, Any]:
        return {**super().context(), "urls": self.step_urls()}

    def step_urls(self) -> dict[str, str]:
        """Return the addresses of the steps, and of what a batch needs."""
        pages = {
            "new": "new-batch",
            "trial": "trial-call",
            "numbers": "numbers",
            "agents": "agents",
        }
        steps = {step: reverse("console:new-batch-step", args=[step]) for step in STEPS}
        return {**steps, **{name: reverse(f"console:{page}") for name, page in pages.items()}}

    def batch_url(self, pk: str) -> str:
        """Return the address of the page of a batch that was made."""
        return reverse("console:batch", kwargs={"pk": pk})

    def call_url(self, pk: str) -> str:
        """Return the address of the page of a call that was placed."""
        return reverse("console:call", kwargs={"pk": pk})


class NewBatchView(NewBatchPage):
    template = "new_batch/page"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(form=Form(request.GET.dict()), **self._choices())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = Form(request.POST.dict())
        fields = {**batch_fields(request), "name": request.POST.get("name", "").strip()}
        try:
            batch = self.api.send_list("/batches", fields, list_of(request))
        except Refused as refusal:
            form = Form.refused(form.values, refusal)
            return self.show("new_batch/refused", status=422, form=form)
        return HttpResponse(headers={"HX-Redirect": self.batch_url(batch["id"])})

    def _choices(self) -> dict[str, Any]:
        agents = all_of(self.api, "/agents", sort="name")
        numbers = all_of(self.api, "/phone-numbers")
        numbers.sort(key=lambda number: number["status"] != "active")  # those that work first
        return {
            "agents": [(a["id"], a["name"]) for a in agents if a["published_version"]],
            "numbers": [
                (n["id"], f"{n['label']} {n['phone_number']}".strip())
                for n in numbers
                if n["status"] != "provisioning"
            ],
        }


class StepView(NewBatchPage):
    """Checks the list as it stands, and answers with the next step, or with the estimate."""

    def post(self, request: HttpRequest, step: str) -> HttpResponse:
        if step not in STEPS:
            return self.error(404)
        try:
            preview = self.api.send_list(
                "/batches/preview", batch_fields(request), list_of(request)
            )
        except Refused as refusal:
            form = Form.refused(request.POST.dict(), refusal)
            return self.show("new_batch/refused", status=422, form=form)
        return self.show(
            f"new_batch/{step}",
            preview=preview,
            form=Form(request.POST.dict()),
            columns=self._columns(request, preview) if step == "columns" else [],
            countries=[("", _("Numbers are written with their country")), *countries()],
            days=weekdays(),
            first_variables=json.dumps((preview["first_rows"] or [{}])[0].get("variables", {})),
        )

    def _columns(self, request: HttpRequest, preview: Any) -> list[dict[str, Any]]:
        """Return each column with its meaning, the choices for it, and an example from the list."""
        agent = self.api.get(f"/agents/{request.POST.get('agent_id', '')}")
        variables = [variable["name"] for variable in agent["variables"]]
        examples = (preview["first_rows"] or [{}])[0]
        columns = []
        for position, name in enumerate(preview["columns"]):
            meaning = preview["column_mapping"].get(name) or ""
            columns.append(
                {
                    "position": position,
                    "name": name,
                    "meaning": meaning,
                    "choices": meaning_choices(meaning, variables),
                    "example": examples.get("variables", {}).get(meaning, ""),
                }
            )
        return columns


class AppendView(ListPage):
    """Appends a file to a batch, for example refused rows that were corrected."""

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        try:
            self.api.send_list(f"/batches/{pk}/recipients", {}, list_of(request))
        except Refused as refusal:
            return self.refuse(refusal, "batch-refused", pk=pk)
        return self.done(_("The rows are being read."), "batch", pk=pk)


class TrialCallView(NewBatchPage):
    """Calls one number with the chosen agent, before everybody else is called."""

    def post(self, request: HttpRequest) -> HttpResponse:
        body = {
            "agent_id": request.POST.get("agent_id"),
            "from_number_id": request.POST.get("phone_number_id"),
            "to": request.POST.get("trial_to", ""),
            "variables": json.loads(request.POST.get("first_variables") or "{}"),
        }
        try:
            call = self.api.post("/calls", body)
        except Refused as refusal:
            form = Form.refused(request.POST.dict(), refusal)
            return self.show("new_batch/trial", form=form)
        url = self.call_url(call["id"])
        return self.show("new_batch/trial", call=call, call_url=url, form=Form(request.POST.dict()))


def list_of(request: HttpRequest) -> Any:
    """Return the uploaded file, or the pasted rows as one."""
    pasted = request.POST.get("pasted", "")
    if "file" not in request.FILES and pasted.strip():
        return SimpleUploadedFile("pasted.csv", pasted.encode(), content_type="text/csv")
    return request.FILES.get("file")


def batch_fields(request: HttpRequest) -> dict[str, str]:
    """Return the form's fields as the API's form has them."""
    post = request.POST
    names = ("agent_id", "phone_number_id", "default_country", "calls_per_second", "max_cost")
    fields: dict[str, str] = {name: post.get(name, "").strip() for name in names}
    if mapping := mapping_of(post):
        fields["column_mapping"] = json.dumps(mapping)
    if window := window_of(request):
        fields["calling_window"] = json.dumps(window)
    if (attempts := post.get("max_attempts", "")).isdecimal():
        minutes = post.get("delay_minutes", "")
        delays = [int(minutes)] if minutes.isdecimal() else [30]
        fields["retry"] = json.dumps({"max_attempts": int(attempts), "delay_minutes": delays})
    scheduled_at = post.get("scheduled_at", "")
    # Which button will be pressed is not known before; an estimate goes by the time, if there is.
    start = post.get("start") or ("scheduled" if scheduled_at else "")
    if start in STARTS:
        fields["start"] = start
    if start == "scheduled":
        fields["scheduled_at"] = scheduled_at
    return fields


def mapping_of(post: Mapping[str, Any]) -> dict[str, str | None]:
    """Return which column means what, as the second step has it; empty before that step."""
    mapping: dict[str, str | None] = {}
    position = 0
    while (name := post.get(f"column-{position}")) is not None:
        mapping[name] = post.get(f"meaning-{position}") or None
        position += 1
    return mapping


def window_of(request: HttpRequest) -> dict[str, Any] | None:
    """Return the batch's own calling window; None to keep the workspace's."""
    post = request.POST
    if post.get("own_window") != "1":
        return None
    span = {
        "days": [int(day) for day in post.getlist("days") if day.isdecimal()],
        "start": post.get("window_start", ""),
        "end": post.get("window_end", ""),
    }
    return {"timezone": "recipient", "spans": [span]}


def meaning_choices(meaning: str, variables: list[str]) -> list[tuple[str, str]]:
    """Return what a column may mean, in words."""
    names = list(variables)
    if meaning and meaning not in (*MEANINGS, *names):
        names.append(meaning)
    words = {
        "phone_number": _("Phone number"),
        "alternative_number": _("Another number of the person"),
        "external_id": _("Your own id of the person"),
        "timezone": _("Time zone"),
        "priority": _("Priority"),
    }
    own = [(name, _("For the agent: %(name)s") % {"name": spelt_out(name)}) for name in names]
    return [*words.items(), *own, ("", _("Leave out"))]
