"""Callbacks, for staff."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.staff.base import ReadOnlyAdmin, badge_column
from accounts.staff.filters import BY_WORKSPACE, dates
from batches.models import Callback
from batches.services.callbacks import cancel_callback
from voiceops.core.pii import mask_number


@admin.register(Callback)
class CallbackAdmin(ReadOnlyAdmin):
    audit_views = True
    change_form_outer_before_template = "admin/control/contact_link.html"
    list_display = ("at", "number", "status_badge", "moved_reason", "batch", "workspace_name")
    list_filter = ("status", BY_WORKSPACE, dates())
    search_fields = ("phone_number__exact",)
    search_help_text = "Number in any spelling, or an id"
    number_columns = ("phone_number",)
    search_ids = ("pk", "batch", "recipient", "workspace", "call_id")
    list_select_related = ("batch", "workspace")
    actions = ("cancel",)

    @admin.display(description="Number")
    def number(self, callback: Callback) -> str:
        return mask_number(callback.phone_number)

    @badge_column("Status", {"done": "success", "missed": "danger", "moved": "warning"})
    def status_badge(self, callback: Callback) -> str:
        return callback.status

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("batches.change_callback"))

    @admin.action(description="Cancel", permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Callback]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda row, principal: cancel_callback(callback=row, principal=principal),
        )
