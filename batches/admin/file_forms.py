"""Numbers never to be called, from a file: what `POST /suppressions/import` does, in the admin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from accounts.models import User, Workspace
from batches.importing.phones import is_known_country
from batches.services.suppression_files import read_list
from batches.services.suppressions import suppress_numbers
from voiceops.core.errors import DomainError


class ListForm(forms.Form):
    """A file with phone numbers."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, help_text="CSV or XLSX with a phone column."
    )
    default_country = forms.CharField(
        required=False,
        max_length=2,
        widget=UnfoldAdminTextInputWidget,
        help_text="Two letters, as US, where numbers stand without a country code.",
    )

    def clean_default_country(self) -> str | None:
        country = str(self.cleaned_data["default_country"]).upper()
        if country and not is_known_country(country):
            raise forms.ValidationError("This is no country: give two letters, as US.")
        return country or None


class ImportForm(ListForm):
    workspace = forms.ModelChoiceField(
        Workspace.unscoped.order_by("name"), widget=UnfoldAdminSelectWidget
    )
    reason = forms.CharField(required=False, max_length=255, widget=UnfoldAdminTextInputWidget)
    field_order = ("workspace", "file", "default_country", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].help_text += " A reason and an expires_at column are read too."


def import_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("batches.add_suppression"):
        raise PermissionDenied
    form = ImportForm(request.POST or None, request.FILES or None)
    return form_page(
        request, form, import_suppressions, title="Import suppressions", button="Import"
    )


def form_page(
    request: HttpRequest,
    form: ListForm,
    take_in: Callable[..., HttpResponse],
    *,
    title: str,
    button: str,
) -> HttpResponse:
    """The page of a form, or where `take_in` sends whoever filled it in; what that refuses stands
    beside the file.
    """
    if form.is_valid():
        try:
            return take_in(request, **form.cleaned_data)
        except DomainError as refusal:
            form.add_error("file", str(refusal))
    context = {**admin.site.each_context(request), "title": title, "form": form, "button": button}
    return TemplateResponse(request, "admin/batches/list_form.html", context)


def import_suppressions(
    request: HttpRequest, *, workspace: Workspace, file: Any, **told: Any
) -> HttpResponse:
    """Raises DomainError."""
    assert isinstance(request.user, User)
    now = timezone.now()
    read = read_list(Path(file.temporary_file_path()), expires_at=None, now=now, **told)
    principal = Principal(user=request.user, workspace=workspace, ip=client_ip(request))
    done = suppress_numbers(workspace=workspace, rows=read.rows, now=now, principal=principal)
    refused = "".join(
        f"; row {row['row_number']}: {row['error_message']}" for row in read.refused[:3]
    )
    counts = (
        f"{done.added} numbers added, {done.already} were there, {read.refused_count} rows refused"
    )
    messages.success(request, counts + refused)
    return redirect("admin:batches_suppression_changelist")
