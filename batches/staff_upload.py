"""A new batch from a file, in the admin: what `POST /batches` does."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.access import Access
from accounts.authentication import ip_of
from accounts.models import User
from agents.models import Agent
from batches.models import Batch
from batches.services.intake import create_batch
from batches.staff_import import ListForm
from telephony.models import PhoneNumber
from voiceops.errors import DomainError

STARTS = [(Batch.Start.MANUAL, "When somebody starts it"), (Batch.Start.NOW, "As soon as the list has been read")]


class Choice(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows of every workspace, each with the workspace's name."""

    def label_from_instance(self, row: Any) -> str:
        return f"{row.workspace.name}: {getattr(row, 'phone_number', None) or row.name}"


class UploadForm(ListForm):
    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)
    agent = Choice(
        Agent.unscoped.live().exclude(published_version=None).select_related("workspace").order_by("workspace", "name"),
        widget=UnfoldAdminSelectWidget,
    )
    phone_number = Choice(
        PhoneNumber.unscoped.filter(status=PhoneNumber.Status.ACTIVE)
        .select_related("workspace")
        .order_by("workspace", "phone_number"),
        widget=UnfoldAdminSelectWidget,
        help_text="The number people are called from, of the agent's workspace.",
    )
    start = forms.ChoiceField(choices=STARTS, widget=UnfoldAdminSelectWidget)
    field_order = ("name", "agent", "phone_number", "file", "default_country", "start")

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        agent, number = found.get("agent"), found.get("phone_number")
        if agent and number and agent.workspace_id != number.workspace_id:
            self.add_error("phone_number", "This number belongs to another workspace than the agent.")
        return found


def page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("batches.add_batch"):
        raise PermissionDenied
    form = UploadForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        try:
            batch = take_in(request, **form.cleaned_data)
        except DomainError as refusal:
            form.add_error("file", str(refusal))
        else:
            messages.success(request, "The list is being read.")
            return redirect("admin:batches_batch_change", batch.pk)
    context = {**admin.site.each_context(request), "title": "Upload a list", "form": form, "button": "Upload"}
    return TemplateResponse(request, "admin/batches/list_form.html", context)


def take_in(request: HttpRequest, *, agent: Agent, file: Any, **fields: Any) -> Batch:
    """Raises DomainError."""
    assert isinstance(request.user, User)
    access = Access(user=request.user, workspace=agent.workspace, ip=ip_of(request))
    return create_batch(agent=agent, content=file.chunks(), access=access, **fields)
