"""Saved column mappings, for staff."""

from django.contrib import admin
from django.http import HttpRequest

from accounts.staff.base import SerializerForm, StaffAdmin
from accounts.staff.filters import BY_WORKSPACE, dates
from batches.models import SavedMapping
from batches.serializers.column_mappings import SavedMappingSerializer


class SavedMappingForm(SerializerForm):
    serializer = SavedMappingSerializer

    class Meta:
        model = SavedMapping
        fields = ("column_mapping", "default_country")


@admin.register(SavedMapping)
class SavedMappingAdmin(StaffAdmin):
    form = SavedMappingForm
    list_display = ("name", "workspace", "default_country", "updated_at")
    list_filter = (BY_WORKSPACE, dates())
    search_fields = ("name", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    readonly_fields = ("name", "workspace", "created_at", "updated_at")
    fields = (*readonly_fields[:2], *SavedMappingForm.Meta.fields, *readonly_fields[2:])

    def has_add_permission(self, request: HttpRequest) -> bool:
        # Only the user who uploads a list knows what its columns mean.
        return False
