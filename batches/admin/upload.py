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
from rest_framework.exceptions import ValidationError as ApiValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Workspace
from accounts.staff.base import principal_of
from accounts.staff.visibility import limit_rows
from agents.models import Agent
from batches.admin.file_forms import ListForm, form_page
from batches.models import Batch
from batches.models.column_roles import ROLES
from batches.serializers.fields import ColumnMapping
from batches.services.create import create_batch
from telephony.models import PhoneNumber
from voiceops.api.errors import flatten_errors
from voiceops.api.fields import UUID_PATTERN

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
        rows = OFFERED_ROWS[self.source_field.name]().filter(pk__in=found)
        # What the form's field for the workspace holds; `upload.js` sends it along.
        workspace = self.request.GET.get("workspace", "")
        if self.source_field.name == "workspace" or not UUID_PATTERN.fullmatch(workspace):
            return rows
        return rows.filter(workspace=workspace)

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


class MappingField(forms.CharField):
    """What the columns of a list mean, a line for each: `column = meaning`."""

    def clean(self, value: Any) -> dict[str, str | None] | None:
        """Raises ValidationError for a line without a meaning, and for a mapping that cannot be."""
        lines = [line for line in super().clean(value).splitlines() if line.strip()]
        mapping: dict[str, str | None] = {}
        for line in lines:
            column, sign, meaning = line.rpartition("=")
            if not sign or not column.strip():
                raise forms.ValidationError(f'Write "{line.strip()} = what it is".')
            mapping[column.strip()] = meaning.strip() or None
        try:
            return ColumnMapping().run_validation(mapping) or None
        except ApiValidationError as error:
            [problem, *_] = flatten_errors(error.get_full_details(), ())
            raise forms.ValidationError(problem["msg"]) from error


class UploadForm(ListForm):
    """A list, and the batch that is made of it."""

    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)
    workspace = OfferedRowField("workspace", "There is no such workspace.")
    agent = OfferedRowField("agent", "This agent was deleted, or never published.")
    phone_number = OfferedRowField(
        "phone_number", "This number is not in use.", help_text="Recipients are called from it."
    )
    column_mapping = MappingField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Only for columns whose names do not say it. One line for each: the column, =, "
        f"and phone_number, {', '.join(ROLES)}, the name of a variable, or nothing to leave the "
        "column out. For example: Handy = phone_number",
    )
    start = forms.ChoiceField(choices=START_CHOICES, widget=UnfoldAdminSelectWidget)
    field_order = (
        *("name", "workspace", "agent", "phone_number", "file", "default_country"),
        *("column_mapping", "start"),
    )

    class Media:
        js = ("admin/js/jquery.init.js", "batches/upload.js")  # in this order

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.POST or None, request.FILES or None)
        for name, rows in OFFERED_ROWS.items():
            field = self.fields[name]
            assert isinstance(field, OfferedRowField)
            field.queryset = limit_rows(rows(), request.user)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        workspace = values.get("workspace")
        for name, label in (("agent", "agent"), ("phone_number", "number")):
            row = values.get(name)
            # The search offers rows of all workspaces until one is chosen.
            if workspace and row and row.workspace_id != workspace.pk:
                self.add_error(
                    name, f"This {label} belongs to {row.workspace.name}, not to {workspace.name}."
                )
        return values


def upload_page(request: HttpRequest) -> HttpResponse:
    """The page that does what POST /batches does. Raises PermissionDenied."""
    if not request.user.has_perm("batches.add_batch"):
        raise PermissionDenied
    form = UploadForm(request)
    return form_page(request, form, create_from_upload, title="Upload a list", button="Upload")


def create_from_upload(
    request: HttpRequest, *, workspace: Workspace, file: Any, **fields: Any
) -> HttpResponse:
    """Create the batch and go to its page. Raises DomainError."""
    principal = principal_of(request, workspace)
    batch = create_batch(content=file.chunks(), principal=principal, **fields)
    messages.success(request, "The list is being read.")
    return redirect("admin:batches_batch_change", batch.pk)
