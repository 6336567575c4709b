"""Batches with their progress, for staff. Actions go through the API's services."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.calling_profiles import FREQUENCY_LIMITS
from accounts.staff.base import SerializerForm, principal_of
from accounts.staff.filters import BY_WORKSPACE, dates
from accounts.staff.panels import PanelAdmin
from accounts.staff.row_fields import RowsWidget, number, numbers, raw, ticks
from accounts.staff.visibility import require_personal_data
from accounts.staff.window_field import window_widget
from batches.admin import batch_panel
from batches.dialing.retry_policy import RETRYABLE_OUTCOMES
from batches.models import Batch
from batches.reporting import exports
from batches.reporting.progress import counts_of
from batches.serializers.batches import BatchSerializer
from batches.services.clone import UNREACHED, clone_batch
from batches.services.update import update_batch
from batches.views.downloads import file_response

RETRYABLE = [(outcome, outcome.replace("_", " ")) for outcome in RETRYABLE_OUTCOMES]


class BatchForm(SerializerForm):
    serializer = BatchSerializer

    class Meta:
        model = Batch
        fields = (
            "name",
            "priority",
            "calls_per_second",
            "max_concurrent_calls",
            "max_cost",
            "calling_window",
            *FREQUENCY_LIMITS,
            "retry",
        )
        widgets = {
            "max_cost": UnfoldAdminTextInputWidget,
            "calling_window": window_widget(),
            "retry": RowsWidget(
                number("max_attempts", "Calls to a person at most", step="1"),
                numbers("delay_minutes", "Minutes before the second call, the third, …"),
                ticks("outcomes", "Again after", RETRYABLE),
                raw("by_outcome", "Other minutes, by outcome"),
                raw("next_day", "On the next day"),
                is_list=False,
            ),
        }
        help_texts = {
            "calls_per_second": "Empty: the number's.",
            "max_concurrent_calls": "Empty: the number's.",
            "max_cost": "Empty: no limit. An amount in the price table's currency; the batch "
            "pauses itself when its calls have cost as much.",
            "calling_window": "Without hours: the workspace's.",
            **dict.fromkeys(FREQUENCY_LIMITS, "Empty: the workspace's."),
            "retry": "Recipients whose call ended so are called again. The last of the minutes "
            "counts for all further calls.",
        }


@admin.register(Batch)
class BatchAdmin(PanelAdmin):
    form = BatchForm
    panel_template = "admin/batches/panel.html"
    orders = batch_panel.ORDERS_OF_BATCH
    list_before_template = "admin/batches/new_batch_link.html"
    list_display = (
        "name",
        "workspace_name",
        "progress",
        "refused",
        "agent_name",
        "started_at",
    )
    exported_columns = (
        *("name", "workspace_name", "status", "rejected_count", "agent_name", "created_at"),
        *("started_at", "ended_at"),
    )
    list_filter = (
        "status",
        BY_WORKSPACE,
        "start",
        ("error", admin.EmptyFieldListFilter),
        dates(),
    )
    search_fields = ("name", "workspace__name", "agent__name")
    search_ids = ("pk", "workspace", "agent", "phone_number")
    list_select_related = ("workspace", "agent")

    class Media:
        js = ("batches/live.js",)

    actions = (
        "start_batches",
        "pause_batches",
        "resume_batches",
        "stop_batches",
        "clone_unreached",
    )
    readonly_fields = (
        "workspace",
        "agent",
        "agent_version",
        "phone_number",
        "start",
        "scheduled_at",
        "on_duplicate",
        "hidden_rows",
        "default_country",
        "columns",
        "column_mapping",
        "provider_failures",
        "probe_at",
        "budget_spent_at",
        "created_at",
        "started_at",
        "ended_at",
    )
    fieldsets = (
        (
            "Settings",
            {
                "fields": (
                    "name",
                    ("priority", "calls_per_second"),
                    ("max_concurrent_calls", "max_cost"),
                )
            },
        ),
        ("When", {"fields": ("calling_window",)}),
        ("Again", {"fields": ("retry",)}),
        (
            "How often a number may be called",
            {"classes": ("collapse",), "fields": FREQUENCY_LIMITS},
        ),
        ("Record", {"classes": ("collapse",), "fields": readonly_fields}),
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Load the counts of the whole page in one query."""
        page = super().get_changelist_instance(request)
        # `progress` finds them on the rows, which would otherwise cost a query each.
        counts = counts_of(page.result_list)
        for batch in page.result_list:
            batch.counts = counts[batch.pk]
        return page

    # With the status in words, which must not contradict the bar: both are refreshed.
    @admin.display(description="Progress")
    def progress(self, batch: Batch) -> str:
        return batch_panel.render_small_progress(batch, getattr(batch, "counts", None))

    @admin.display(description="Refused rows", ordering="rejected_count")
    def refused(self, batch: Batch) -> str:
        return f"{batch.rejected_count:,}"

    @admin.display(description="Agent", ordering="agent__name")
    def agent_name(self, batch: Batch) -> str:
        return batch.agent.name

    def get_urls(self) -> list[URLPattern]:
        pages = {
            "download": ("<uuid:pk>/download/<str:name>", self.download),
            "live": ("live/", self.live),
        }
        own = [
            path(route, self.admin_site.admin_view(view), name=f"batches_batch_{name}")
            for name, (route, view) in pages.items()
        ]
        return [*own, *super().get_urls()]

    def live(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return batch_panel.live_progress(request)

    def download(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponseBase:
        # The files contain phone numbers: seeing the batch is not enough.
        batch = self.get_object(request, str(pk))
        may_view_recipients = self.has_view_permission(request) and request.user.has_perm(
            "batches.view_recipient"
        )
        if batch is None or name not in exports.EXPORT_FILES or not may_view_recipients:
            raise PermissionDenied
        require_personal_data(request)
        principal = principal_of(request, batch)
        return file_response(batch, name, principal=principal, for_staff=True)

    def panel_context(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        return batch_panel.panel_context(row)

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A batch begins with a list, in three steps of the control room.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # DELETE /batches/{id} also deletes the list, and refuses while it runs.
        return False

    def save_model(
        self, request: HttpRequest, obj: Batch, form: "ModelForm[Batch]", change: bool
    ) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        update_batch(batch=obj, changes=changes, principal=principal_of(request, obj))

    @admin.action(description="Start", permissions=["change"])
    def start_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.apply_to_each(request, queryset, partial(batch_panel.run_action, "start"))

    @admin.action(description="Pause", permissions=["change"])
    def pause_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.apply_to_each(request, queryset, partial(batch_panel.run_action, "pause"))

    @admin.action(description="Resume", permissions=["change"])
    def resume_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.apply_to_each(request, queryset, partial(batch_panel.run_action, "resume"))

    @admin.action(description="Stop for good", permissions=["change"])
    def stop_batches(self, request: HttpRequest, queryset: QuerySet[Batch]) -> HttpResponse | None:
        """Stop the batches, after a page that says how many people will not be called."""
        if "confirmed" not in request.POST:
            return batch_panel.stop_page(request, list(queryset))
        self.apply_to_each(request, queryset, partial(batch_panel.run_action, "stop"))
        return None

    @admin.action(description="Clone for those not reached", permissions=["change"])
    def clone_unreached(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda batch, principal: clone_batch(batch=batch, only=UNREACHED, principal=principal),
        )
