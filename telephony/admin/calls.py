"""Calls for staff, with timeline, transcript and recording; read-only."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.models import Workspace
from accounts.staff.base import ReadOnlyAdmin, badge_column, principal_of
from accounts.staff.filters import dates, recent_values_filter
from accounts.staff.number_search import possible_numbers
from accounts.staff.panels import PanelAdmin
from accounts.staff.visibility import require_personal_data
from telephony.admin.call_filters import CALL_FILTERS, ORIGIN_PAGES
from telephony.admin.call_orders import CALL_ORDERS, call_panel
from telephony.admin.trial_calls import trial_call
from telephony.models import Call, CallEvent, Direction, InboxEvent, Recording, Turn
from telephony.models.calls import LISTED
from telephony.services.recording_files import create_recording_link
from voiceops.core.errors import DomainError
from voiceops.core.pii import mask_number, mask_numbers_in
from voiceops.core.prices import MILLION, price_table

SIP_CALL_ID_PREFIX = "SCL_"
MAX_FOUND_CALLS = 1000
SECONDS_A_MINUTE = 60
STAGES = {
    "reserved": "info",
    "intent": "info",
    "unknown": "danger",
    "dialing": "info",
    "ringing": "info",
    "in_progress": "success",
}
OUTCOME_COLOURS = {
    "answered": "success",
    "voicemail": "info",
    "screened": "info",
    "unknown": "danger",
    "trunk_error": "danger",
}


def link(text: str, page: str, pk: object) -> str:
    """Return an HTML link to an admin page of an object."""
    url = reverse(f"admin:{page}", args=[pk])
    return format_html(
        '<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', url, text
    )


@admin.register(Call)
class CallAdmin(PanelAdmin, ReadOnlyAdmin):
    audit_views = True
    panel_template = "admin/panels/call.html"
    orders = CALL_ORDERS
    list_display = (
        "created_at",
        "callee",
        "state_badge",
        "caller",
        "direction",
        "sip_code",
        "minutes",
        "agent_name",
        "workspace_name",
    )
    exported_columns = (
        *("created_at", "callee", "state_badge", "caller", "direction", "end_reason"),
        *("sip_status_code", "duration", "agent_name", "workspace_name"),
    )
    list_filter = CALL_FILTERS
    search_fields = ("room__exact",)
    search_help_text = "Number in any spelling, id, room or SIP call id"
    search_ids = ("pk", "recipient_id")
    list_select_related = ("agent", "workspace")
    readonly_fields = ("cost", "batch_page", "recipient_page")
    fieldsets = (
        (
            "Details",
            {
                "fields": (
                    ("from_number", "to_number"),
                    ("end_reason", "hung_up_by"),
                    ("detected", "cost"),
                    ("disposition", "disposition_by"),
                    ("agent", "agent_version"),
                    ("batch_page", "recipient_page"),
                    ("number", "attempt"),
                )
            },
        ),
        (
            "Times",
            {
                "classes": ("collapse",),
                "fields": (("dialed_at", "ringing_at"), ("answered_at", "ended_at")),
            },
        ),
        (
            "For engineers",
            {
                "classes": ("collapse",),
                "fields": (
                    ("workspace", "direction"),
                    ("stage", "outcome"),
                    ("sip_status_code", "sip_status"),
                    ("variables", "metadata"),
                    ("latency", "usage"),
                    ("room", "sip_call_id"),
                    ("provider_code", "counts"),
                    ("lease_owner", "lease_expires_at"),
                    ("intent_at", "not_after"),
                    ("agent_joined_at", "agent_seen_at"),
                    ("agent_heard_at", "agent_left_at"),
                    ("callee_joined_at", "heard_at"),
                    ("room_deleted_at", "settled_at"),
                    ("room_delete_at", "room_claimed_at"),
                    "sequence",
                ),
            },
        ),
    )

    def panel_context(self, request: HttpRequest, row: Call) -> dict[str, Any]:
        return call_panel(row)

    def get_urls(self) -> list[URLPattern]:
        pages = {"recording": self.recording, "live": self.live}
        own = [
            path(
                f"<uuid:pk>/{name}/",
                self.admin_site.admin_view(view),
                name=f"telephony_call_{name}",
            )
            for name, view in pages.items()
        ]
        trial = self.admin_site.admin_view(trial_call)
        own.append(path("trial/<uuid:pk>/", trial, name="telephony_call_trial"))
        return [*own, *super().get_urls()]

    def live(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Return the part of a page that refreshes itself. Raises PermissionDenied."""
        call = self.get_object(request, str(pk))
        if call is None or not self.has_view_permission(request, call):
            raise PermissionDenied
        require_personal_data(request)
        context = {
            **self.admin_site.each_context(request),
            "call": call,
            "panel": call_panel(call),
            "may_order": self.may_order(request),
        }
        return TemplateResponse(request, "admin/panels/call_live.html", context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by each index in turn: one condition for all would read every call there is."""
        term = search_term.strip()
        if term.startswith(SIP_CALL_ID_PREFIX):
            return queryset.filter(sip_call_id=term), False
        if numbers := possible_numbers(term):
            return queryset.filter(pk__in=_newest_with(numbers)), False
        return super().get_search_results(request, queryset, search_term)

    def finds_by_index(self, term: str) -> bool:
        # A room is unique, and so is looked up by what else is typed.
        return not term.strip().startswith(SIP_CALL_ID_PREFIX)

    def recording(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Redirect to a link that works for five minutes; the access is audited."""
        call = self.get_object(request, str(pk))
        if call is None or not self.has_view_permission(request, call):
            raise PermissionDenied
        require_personal_data(request)
        try:
            url, _ = create_recording_link(call=call, principal=principal_of(request, call))
        except DomainError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return redirect("admin:telephony_call_change", pk)
        return redirect(url)

    @admin.display(description="Cost")
    def cost(self, call: Call) -> str:
        if call.cost_micros is None:
            return "unknown"
        return f"{call.cost_micros / MILLION:.4f} {price_table().currency}"

    @admin.display(description="Batch")
    def batch_page(self, call: Call) -> str:
        if call.batch_id is None:
            return "none"
        batch = ORIGIN_PAGES.get().batch_rows().filter(pk=call.batch_id).first()
        name = batch.name if batch is not None else "deleted"
        return link(name, ORIGIN_PAGES.get().batch, call.batch_id)

    @admin.display(description="Recipient")
    def recipient_page(self, call: Call) -> str:
        if call.recipient_id is None:
            return "none"
        return link("row of the list", ORIGIN_PAGES.get().recipient, call.recipient_id)

    @admin.display(description="Agent", ordering="agent__name")
    def agent_name(self, call: Call) -> str:
        return call.agent.name if call.agent else ""

    @admin.display(description="From")
    def caller(self, call: Call) -> str:
        is_callers = call.direction == Direction.INBOUND
        return mask_number(call.from_number) if is_callers else call.from_number

    @admin.display(description="To")
    def callee(self, call: Call) -> str:
        is_ours = call.direction == Direction.INBOUND
        return call.to_number if is_ours else mask_number(call.to_number)

    # How it ended, or how far it has come.
    @badge_column("State", {**STAGES, **OUTCOME_COLOURS})
    def state_badge(self, call: Call) -> str:
        return call.outcome or call.stage

    @admin.display(description="SIP", empty_value="-")
    def sip_code(self, call: Call) -> int | None:
        return call.sip_status_code

    @admin.display(description="Talked", empty_value="-")
    def minutes(self, call: Call) -> str | None:
        if call.duration_seconds is None:
            return None
        minutes, seconds = divmod(round(call.duration_seconds), SECONDS_A_MINUTE)
        return f"{minutes}:{seconds:02}"

    @admin.display(description="Duration, s")
    def duration(self, call: Call) -> float | None:
        return call.duration_seconds


def _newest_with(numbers: list[str]) -> list[UUID]:
    """Return the ids of the newest calls to the numbers, and of those that came from them."""
    calls = Call.unscoped.order_by("-pk").values_list("pk", flat=True)
    callers = calls.filter(
        # The index of callers begins with the workspace, and holds the calls that the API lists.
        LISTED,
        workspace__in=Workspace.unscoped.values("pk"),
        direction=Direction.INBOUND,
        from_number__in=numbers,
    )
    called = calls.filter(to_number__in=numbers)
    return [*called[:MAX_FOUND_CALLS], *callers[:MAX_FOUND_CALLS]]


@admin.register(CallEvent)
class CallEventAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = ("at", "type", "masked_text", "call_id", "workspace_name")
    list_filter = (recent_values_filter("type"), dates("at"))
    search_fields = ("type__exact", "external_id__exact")
    search_ids = ("pk", "call", "workspace")
    list_select_related = ("workspace",)

    @admin.display(description="Text")
    def masked_text(self, event: CallEvent) -> str:
        return mask_numbers_in(event.text)


@admin.register(Turn)
class TurnAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = ("started_at", "role", "call_id", "workspace_name")
    list_filter = (recent_values_filter("role"), "interrupted", dates("started_at"))
    search_fields = ("external_id__exact",)
    search_ids = ("pk", "call", "workspace")
    list_select_related = ("workspace",)


@admin.register(Recording)
class RecordingAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = (
        "call_id",
        "status_badge",
        "size_bytes",
        "duration_seconds",
        "workspace_name",
        "created_at",
        "ready_at",
    )
    list_filter = ("status", dates())
    search_fields = ("egress_id__exact", "storage_key__exact")
    search_ids = ("pk", "call", "workspace")
    list_select_related = ("workspace",)

    @badge_column(
        "Status", {"ready": "success", "pending": "info", "failed": "danger", "pruned": "warning"}
    )
    def status_badge(self, recording: Recording) -> str:
        return recording.status


@admin.register(InboxEvent)
class InboxEventAdmin(ReadOnlyAdmin):
    # The participant's attributes contain phone numbers.
    audit_views = True
    list_display = ("event_id", "event", "room", "received_at", "applied_at")
    list_filter = (
        recent_values_filter("event"),
        ("applied_at", admin.EmptyFieldListFilter),
        dates("received_at"),
    )
    search_fields = ("event_id__exact", "room__exact")
    search_ids = ("event_id",)
    ordering = ("-received_at", "-pk")
    age_column = "received_at"

    def finds_by_index(self, term: str) -> bool:
        return True
