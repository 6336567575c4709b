"""A new batch from a file, in the admin: what `POST /batches` does."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Workspace
from accounts.staff.base import principal_of
from agents.models import Agent
from batches.admin.file_forms import ListForm, form_page
from batches.models import Batch
from batches.services.create import create_batch
from telephony.models import PhoneNumber

# Without `scheduled`: the form has no field for the time.
START_CHOICES = [
    (Batch.Start.MANUAL, "When it is started manually"),
    (Batch.Start.NOW, "As soon as the list is imported"),
]
# What a new batch may be given, by its field.
OFFERED_ROWS: dict[str, Callable[[], QuerySet[Any]]] = {
    "workspace": lambda: Workspace.unscoped.order_by("name", "pk"),
    "agent": lambda: (
        Agent.unscoped.live()
        .exclude(published_version=None)
        .select_related("workspace")
        .order_by("workspace__name", "name", "pk")
    ),
    "phone_number": lambda: (
        PhoneNumber.unscoped.filter(status=PhoneNumber.Status.ACTIVE)
        .select_related("workspace")
        .order_by("workspace__name", "phone_number")
    ),
}


def label_of(row: Any) -> str:
    """Return the row's name, after its workspace's: two workspaces may use the same name."""
    if isinstance(row, Workspace):
        return row.name
    return f"{row.workspace.name}: {getattr(row, 'phone_number', None) or row.name}"


class OfferedSelect(AutocompleteSelect):
    """A select field that searches `OFFERED_ROWS`."""

    def get_url(self) -> str:
        return reverse("admin:batches_batch_upload_offers")


class OfferedRowsView(AutocompleteJsonView):
    """Answers the searches of the form's fields, for staff who may upload lists."""

    def has_perm(self, request: HttpRequest, obj: Model | None = None) -> bool:
        field = self.source_field
        return (
            field.model is Batch
            and field.name in OFFERED_ROWS
            and request.user.has_perm("batches.add_batch")
        )

    def get_queryset(self) -> QuerySet[Any]:
        # As a subquery: ordering and joins of the search are replaced by those of the offer.
        found = super().get_queryset().order_by().values("pk")
        return OFFERED_ROWS[self.source_field.name]().filter(pk__in=found)

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        return {**super().serialize_result(obj, to_field_name), "text": label_of(obj)}


class OfferedRowField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic only in stubs
    """A row found by a search: all workspaces together may have thousands."""

    def __init__(self, name: str, refusal: str, **kwargs: Any) -> None:
        widget = OfferedSelect(Batch._meta.get_field(name), admin.site)
        super().__init__(
            OFFERED_ROWS[name](),
            widget=widget,
            error_messages={"invalid_choice": refusal},
            **kwargs,
        )

    def label_from_instance(self, row: Any) -> str:
        return label_of(row)


class UploadForm(ListForm):
    """A list, and the batch that is made of it."""

    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)
    workspace = OfferedRowField("workspace", "There is no such workspace.")
    agent = OfferedRowField("agent", "This agent was deleted, or never published.")
    phone_number = OfferedRowField(
        "phone_number", "This number is not in use.", help_text="Recipients are called from it."
    )
    start = forms.ChoiceField(choices=START_CHOICES, widget=UnfoldAdminSelectWidget)
    field_order = ("name", "workspace", "agent", "phone_number", "file", "default_country", "start")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        workspace = values.get("workspace")
        for name, label in (("agent", "agent"), ("phone_number", "number")):
            row = values.get(name)
            # The search offers rows of all workspaces: it does not know the form's other fields.
            if workspace and row and row.workspace_id != workspace.pk:
                self.add_error(
                    name, f"This {label} belongs to {row.workspace.name}, not to {workspace.name}."
                )
        return values


def upload_page(request: HttpRequest) -> HttpResponse:
    """The page that does what POST /batches does. Raises PermissionDenied."""
    if not request.user.has_perm("batches.add_batch"):
        raise PermissionDenied
    form = UploadForm(request.POST or None, request.FILES or None)
    return form_page(request, form, create_from_upload, title="Upload a list", button="Upload")


def create_from_upload(
    request: HttpRequest, *, workspace: Workspace, file: Any, **fields: Any
) -> HttpResponse:
    """Create the batch and go to its page. Raises DomainError."""
    principal = principal_of(request, workspace)
    batch = create_batch(content=file.chunks(), principal=principal, **fields)
    messages.success(request, "The list is being read.")
    return redirect("admin:batches_batch_change", batch.pk)
