"""Batches with their progress, the people on them, and who must not be called. Orders go through the API's services."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.access import Access
from accounts.staff import History, SerializerForm, StaffAdmin, access_of, coloured
from batches.mappings.serializers import SavedMappingSerializer
from batches.models import Batch, Recipient, RejectedRow, SavedMapping, Suppression
from batches.progress import STATUSES, counts_of
from batches.serializers import BatchSerializer
from batches.services import batches as services
from batches.services.changes import update_batch
from batches.services.review import close_recipient, release_recipient
from batches.suppressions.serializers import SuppressionSerializer
from batches.suppressions.services import lift_suppression, suppress_number
from voiceops.masking import masked

DONE = ("completed", "failed", "skipped", "cancelled", "review")
BY_STAFF = "decided by staff"
STATES = {
    "running": "success",
    "completed": "success",
    "paused": "warning",
    "failed": "danger",
    "stopped": "danger",
    "validating": "info",
    "ready": "info",
    "scheduled": "info",
}
Act = Callable[[Any, Access], object]


class BatchForm(SerializerForm):
    serializer = BatchSerializer

    class Meta:
        model = Batch
        fields = ("name", "calls_per_second", "max_concurrent_calls", "calling_window", "retry")


@admin.register(Batch)
class BatchAdmin(StaffAdmin):
    form = BatchForm
    list_display = (
        "name",
        "workspace",
        "shown_status",
        "progress",
        "rejected_count",
        "agent",
        "started_at",
        "ended_at",
    )
    list_filter = ("status", "start", ("error", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("name", "workspace__name", "agent__name")
    search_ids = ("pk", "workspace", "agent", "phone_number")
    list_select_related = ("workspace", "agent")
    actions = ("start_batches", "pause_batches", "resume_batches", "stop_batches")
    readonly_fields = (
        "workspace",
        "status",
        "error",
        "progress",
        "agent",
        "agent_version",
        "phone_number",
        "start",
        "scheduled_at",
        "on_duplicate",
        "default_country",
        "columns",
        "column_mapping",
        "rows_read",
        "rows_total",
        "rejected_count",
        "provider_failures",
        "probe_at",
        "created_at",
        "started_at",
        "ended_at",
    )
    fields = (*BatchForm.Meta.fields, *readonly_fields)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Counts for the whole page at once."""
        page = super().get_changelist_instance(request)
        counts = counts_of(page.result_list)
        for batch in page.result_list:
            batch.counts = counts[batch.pk]
        return page

    @coloured("Status", STATES)
    def shown_status(self, batch: Batch) -> str:
        return batch.status

    @admin.display(description="Progress")
    def progress(self, batch: Batch) -> str:
        counts = getattr(batch, "counts", None) or counts_of([batch])[batch.pk]
        done = sum(counts[status] for status in DONE)
        told = {
            "done": done,
            "total": counts["total"],
            "percent": 100 * done // counts["total"] if counts["total"] else 0,
            "parts": [(status.replace("_", " "), counts[status]) for status in STATUSES if counts[status]],
        }
        return render_to_string("admin/batches/progress.html", told)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a batch begins with an uploaded list: POST /batches, or manage.py run_batch

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # DELETE /batches/{id} forgets people and lists, and refuses while it runs

    def save_model(self, request: HttpRequest, obj: Batch, form: "ModelForm[Batch]", change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        update_batch(batch=obj, changes=changes, access=access_of(request, obj))

    @admin.action(description="Start", permissions=["change"])
    def start_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.for_each(request, queryset, lambda batch, access: services.start_batch(batch=batch, access=access))

    @admin.action(description="Pause", permissions=["change"])
    def pause_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.for_each(request, queryset, lambda batch, access: services.pause_batch(batch=batch, access=access))

    @admin.action(description="Resume", permissions=["change"])
    def resume_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.for_each(request, queryset, lambda batch, access: services.resume_batch(batch=batch, access=access))

    @admin.action(description="Stop for good", permissions=["change"])
    def stop_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.for_each(request, queryset, lambda batch, access: services.stop_batch(batch=batch, access=access))


@admin.register(Recipient)
class RecipientAdmin(History):
    personal = True
    list_display = (
        "row_number",
        "number",
        "batch",
        "shown_status",
        "reason",
        "attempts",
        "outcome",
        "due_at",
        "workspace",
    )
    list_filter = ("status", "outcome", "is_duplicate")
    search_fields = ("phone_number__exact",)  # there may be millions: batches are looked for by their id
    search_ids = ("pk", "batch", "last_call_id", "workspace")
    list_select_related = ("batch", "workspace")
    actions = ("release", "close")

    @admin.display(description="Number")
    def number(self, recipient: Recipient) -> str:
        return masked(recipient.phone_number)

    @coloured("Status", {"completed": "success", "review": "danger", "failed": "warning"})
    def shown_status(self, recipient: Recipient) -> str:
        return recipient.status

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("batches.change_recipient"))

    @admin.action(description="In review: offer for a call again", permissions=["decide"])
    def release(self, request: HttpRequest, queryset: QuerySet[Recipient]) -> None:
        self.for_each(
            request, queryset, lambda row, access: release_recipient(recipient=row, reason=BY_STAFF, access=access)
        )

    @admin.action(description="In review: give up", permissions=["decide"])
    def close(self, request: HttpRequest, queryset: QuerySet[Recipient]) -> None:
        self.for_each(
            request, queryset, lambda row, access: close_recipient(recipient=row, reason=BY_STAFF, access=access)
        )


@admin.register(RejectedRow)
class RejectedRowAdmin(History):
    personal = True
    list_display = ("row_number", "batch", "error_code", "error_message", "workspace")
    list_filter = ("error_code",)
    search_fields = ("error_code__exact",)
    search_ids = ("pk", "batch", "workspace")
    list_select_related = ("batch", "workspace")


class SavedMappingForm(SerializerForm):
    serializer = SavedMappingSerializer

    class Meta:
        model = SavedMapping
        fields = ("column_mapping", "default_country")


@admin.register(SavedMapping)
class SavedMappingAdmin(StaffAdmin):
    form = SavedMappingForm
    list_display = ("name", "workspace", "default_country", "updated_at")
    list_filter = ("created_at",)
    search_fields = ("name", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    readonly_fields = ("name", "workspace", "created_at", "updated_at")
    fields = (*readonly_fields[:2], *SavedMappingForm.Meta.fields, *readonly_fields[2:])

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # what a list's columns mean is known where the list is uploaded


class SuppressionForm(SerializerForm):
    serializer = SuppressionSerializer

    class Meta:
        model = Suppression
        fields = ("workspace", "phone_number", "reason", "proof", "expires_at")


@admin.register(Suppression)
class SuppressionAdmin(StaffAdmin):
    personal = True
    form = SuppressionForm
    list_display = ("number", "workspace", "source", "reason", "expires_at", "created_at")
    list_filter = ("source", ("expires_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("phone_number__exact", "reason", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)

    @admin.display(description="Number")
    def number(self, suppression: Suppression) -> str:
        return masked(suppression.phone_number)

    def get_readonly_fields(self, request: HttpRequest, obj: Suppression | None = None) -> tuple[str, ...]:
        return ("workspace", "phone_number", "source", "created_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: Suppression, form: "ModelForm[Suppression]", change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        values = {name: form.cleaned_data[name] for name in ("phone_number", "reason", "proof", "expires_at")}
        access = access_of(request, obj)
        obj.pk = suppress_number(workspace=obj.workspace, now=timezone.now(), access=access, **values).pk

    def delete_model(self, request: HttpRequest, obj: Suppression) -> None:
        lift_suppression(suppression=obj, access=access_of(request, obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        self.for_each(request, queryset, lambda row, access: lift_suppression(suppression=row, access=access))
