"""A new batch in three steps, for staff: the console's steps, in a workspace that they choose.

They call the API in this process, as the console does, with the member of staff as principal.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import Workspace
from accounts.roles import Role
from accounts.staff.base import principal_of
from accounts.staff.visibility import limit_rows
from batches.models import Batch
from console.api import Api, Refused
from console.forms import refusal_text
from console.views.new_batch import (
    STEPS,
    AppendView,
    ListPage,
    NewBatchPage,
    NewBatchView,
    StepView,
    TrialCallView,
)

MAX_WORKSPACES_TO_CHOOSE = 500


def choose_workspace(request: HttpRequest) -> HttpResponse:
    """Ask for whom the batch is, unless there is one workspace only. Raises PermissionDenied."""
    _require_may_add(request)
    rows = limit_rows(Workspace.unscoped.order_by("name", "pk"), request.user)
    workspaces = list(rows[:MAX_WORKSPACES_TO_CHOOSE])
    chosen = request.GET.get("workspace", "")
    if len(workspaces) == 1:
        chosen = str(workspaces[0].pk)
    if any(str(workspace.pk) == chosen for workspace in workspaces):
        return redirect("admin:new_batch", chosen)
    context = {
        **admin.site.each_context(request),
        "title": "New batch",
        "workspaces": workspaces,
    }
    return TemplateResponse(request, "admin/control/new_batch_workspace.html", context)


class RoomEntry(ListPage):
    """Lets a member of staff in, as an admin of one workspace."""

    workspace_id: UUID

    def _enter(self, request: HttpRequest) -> HttpResponseBase | None:
        _require_may_add(request)
        rows = limit_rows(Workspace.unscoped.filter(pk=self.workspace_id), request.user)
        workspace = rows.first()
        if workspace is None:
            raise PermissionDenied
        self.principal = replace(principal_of(request, workspace), role=Role.ADMIN)
        self.api = Api(request, str(workspace.pk))
        self.api.principal = self.principal
        return None


class RoomSteps(RoomEntry, NewBatchPage):
    """A step of the workspace in the address."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.workspace_id = kwargs.pop("workspace")
        return super().dispatch(request, *args, **kwargs)

    def show(self, template: str = "", *, status: int = 200, **context: Any) -> HttpResponse:
        if template:
            return super().show(template, status=status, **context)
        assert self.principal.workspace is not None
        values = {
            **admin.site.each_context(self.request),
            "title": f"New batch for {self.principal.workspace.name}",
            **self.context(),
            **context,
        }
        return TemplateResponse(self.request, "admin/control/new_batch.html", values, status=status)

    def step_urls(self) -> dict[str, str]:
        workspace = self.workspace_id
        numbers = reverse("admin:telephony_phonenumber_register")
        return {
            **{step: reverse("admin:new_batch_step", args=[workspace, step]) for step in STEPS},
            "new": reverse("admin:new_batch", args=[workspace]),
            "trial": reverse("admin:new_batch_trial", args=[workspace]),
            "numbers": f"{numbers}?workspace={workspace}",
            "agents": f"{reverse('admin:agents_agent_add')}?workspace={workspace}",
        }

    def batch_url(self, pk: str) -> str:
        return reverse("admin:batches_batch_change", args=[pk])

    def call_url(self, pk: str) -> str:
        return reverse("admin:telephony_call_change", args=[pk])


class RoomNewBatchView(RoomSteps, NewBatchView):
    pass


class RoomStepView(RoomSteps, StepView):
    pass


class RoomTrialCallView(RoomSteps, TrialCallView):
    pass


class RoomAppendView(RoomEntry, AppendView):
    """Appends a file to a batch, for example refused rows that were corrected."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        rows = limit_rows(Batch.unscoped.filter(pk=kwargs["pk"]), request.user)
        self.workspace_id = get_object_or_404(rows.values_list("workspace_id", flat=True))
        return super().dispatch(request, *args, **kwargs)

    def done(self, text: str, view: str, **kwargs: Any) -> HttpResponse:
        messages.success(self.request, text)
        return redirect("admin:batches_batch_change", kwargs["pk"])

    def refuse(self, refusal: Refused, view: str, **kwargs: Any) -> HttpResponse:
        messages.error(self.request, refusal_text(refusal))
        return redirect("admin:batches_batch_change", kwargs["pk"])


def _require_may_add(request: HttpRequest) -> None:
    if not request.user.has_perm("batches.add_batch"):
        raise PermissionDenied
