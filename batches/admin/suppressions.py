"""The numbers that must not be called, for staff: one by one, or from a file."""

from pathlib import Path
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Workspace
from accounts.staff.base import ReadOnlyAdmin, SerializerForm, StaffAdmin, principal_of
from accounts.staff.filters import BY_WORKSPACE, dates
from accounts.staff.visibility import limit_rows
from batches.admin.file_forms import ListForm, form_page
from batches.models import Suppression, SuppressionImport
from batches.serializers.suppressions import SuppressionSerializer
from batches.services import suppression_imports as services
from batches.services.suppression_files import RowDefaults
from batches.services.suppressions import lift_suppression, suppress_number
from voiceops.core.pii import mask_number

MAX_LISTED_REJECTIONS = 3


class SuppressionForm(SerializerForm):
    serializer = SuppressionSerializer

    class Meta:
        model = Suppression
        fields = ("workspace", "phone_number", "reason", "proof", "expires_at")


@admin.register(Suppression)
class SuppressionAdmin(StaffAdmin):
    audit_views = True
    change_form_outer_before_template = "admin/control/contact_link.html"
    form = SuppressionForm
    list_before_template = "admin/batches/import_link.html"
    list_display = ("number", "workspace_name", "source", "reason", "expires_at", "created_at")
    list_filter = (
        "source",
        BY_WORKSPACE,
        ("expires_at", admin.EmptyFieldListFilter),
        dates(),
    )
    search_fields = ("reason",)
    search_help_text = "Number in any spelling, a word of the reason, or an id"
    number_columns = ("phone_number",)
    sortable_by = ()
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(import_page)
        return [path("import/", page, name="batches_suppression_import"), *super().get_urls()]

    @admin.display(description="Number")
    def number(self, suppression: Suppression) -> str:
        return mask_number(suppression.phone_number)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Suppression | None = None
    ) -> tuple[str, ...]:
        return ("workspace", "phone_number", "source", "created_at") if obj else ()

    def save_model(
        self,
        request: HttpRequest,
        obj: Suppression,
        form: "forms.ModelForm[Suppression]",
        change: bool,
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        values = {
            name: form.cleaned_data[name]
            for name in ("phone_number", "reason", "proof", "expires_at")
        }
        principal = principal_of(request, obj)
        # Through the service, as the API does it: an expired suppression of the number is replaced.
        obj.pk = suppress_number(
            workspace=obj.workspace, now=timezone.now(), principal=principal, **values
        ).pk

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        lift_suppression(suppression=obj, principal=principal_of(request, obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda row, principal: lift_suppression(suppression=row, principal=principal),
        )


@admin.register(SuppressionImport)
class SuppressionImportAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = (
        *("created_at", "workspace_name", "status", "rows_read", "rows_total", "added"),
        *("already", "rejected_count"),
    )
    list_filter = ("status", BY_WORKSPACE, dates())
    search_fields = ("workspace__name",)
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    exclude = ("upload", "lease_expires_at")


class ImportForm(ListForm):
    """A file of numbers, and the workspace that must not call them."""

    workspace = forms.ModelChoiceField(Workspace.unscoped.none(), widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(required=False, max_length=255, widget=UnfoldAdminTextInputWidget)
    field_order = ("workspace", "file", "default_country", "reason")

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.POST or None, request.FILES or None)
        workspaces = self.fields["workspace"]
        assert isinstance(workspaces, forms.ModelChoiceField)
        workspaces.queryset = limit_rows(Workspace.unscoped.order_by("name"), request.user)
        self.fields["file"].help_text += " Columns named reason and expires_at are read too."


def import_page(request: HttpRequest) -> HttpResponse:
    """The page that does what POST /suppressions/import does. Raises PermissionDenied."""
    if not request.user.has_perm("batches.add_suppression"):
        raise PermissionDenied
    form = ImportForm(request)
    title = "Import suppressions"
    return form_page(request, form, import_suppressions, title=title, button="Import")


def import_suppressions(
    request: HttpRequest, *, workspace: Workspace, file: Any, **fields: Any
) -> HttpResponse:
    """Add the file's numbers and report what was added and rejected. Raises DomainError."""
    result = services.import_suppressions(
        workspace=workspace,
        path=Path(file.temporary_file_path()),
        defaults=RowDefaults(expires_at=None, **fields),
        principal=principal_of(request, workspace),
    )
    if isinstance(result, SuppressionImport):
        messages.success(request, "A long list: it is read in the background")
        return redirect("admin:batches_suppressionimport_change", result.pk)
    rejections = [
        f"; row {row['row_number']}: {row['error_message']}"
        for row in result.rejected[:MAX_LISTED_REJECTIONS]
    ]
    messages.success(
        request,
        f"{result.added} numbers added, {result.already} already on the list, "
        f"{result.rejected_count} rows rejected" + "".join(rejections),
    )
    return redirect("admin:batches_suppression_changelist")
