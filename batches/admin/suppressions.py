"""Who must not be called, for staff: one by one, or from a file."""

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone

from accounts.staff.base import SerializerForm, StaffAdmin, principal_of
from batches.admin import file_forms
from batches.models import Suppression
from batches.serializers.suppressions import SuppressionSerializer
from batches.services.suppressions import lift_suppression, suppress_number
from voiceops.core.pii import mask_number


class SuppressionForm(SerializerForm):
    serializer = SuppressionSerializer

    class Meta:
        model = Suppression
        fields = ("workspace", "phone_number", "reason", "proof", "expires_at")


@admin.register(Suppression)
class SuppressionAdmin(StaffAdmin):
    audit_views = True
    form = SuppressionForm
    list_before_template = "admin/batches/import_link.html"
    list_display = ("number", "workspace_name", "source", "reason", "expires_at", "created_at")
    list_filter = ("source", ("expires_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("phone_number__exact", "reason", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(file_forms.import_page)
        return [path("import/", page, name="batches_suppression_import"), *super().get_urls()]

    @admin.display(description="Number")
    def number(self, suppression: Suppression) -> str:
        return mask_number(suppression.phone_number)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Suppression | None = None
    ) -> tuple[str, ...]:
        return ("workspace", "phone_number", "source", "created_at") if obj else ()

    def save_model(
        self, request: HttpRequest, obj: Suppression, form: "ModelForm[Suppression]", change: bool
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        values = {
            name: form.cleaned_data[name]
            for name in ("phone_number", "reason", "proof", "expires_at")
        }
        principal = principal_of(request, obj)
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
