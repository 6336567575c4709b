"""Calls for staff, with timeline, transcript and recording; read-only."""

from typing import NamedTuple
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.staff.base import ReadOnlyAdmin, ReadOnlyInline, badge_column, principal_of
from telephony.domain.prices import MILLION, price_table
from telephony.models import Call, CallEvent, Direction, InboxEvent, Recording, Turn
from telephony.services.recording_files import create_recording_link
from voiceops.core.errors import DomainError
from voiceops.core.extension_points import ExtensionPoint
from voiceops.core.pii import mask_number, mask_numbers_in

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


class OriginPages(NamedTuple):
    """URL names of the admin pages that show where a call came from."""

    batch: str
    recipient: str


# Batches lie above telephony, which must not name their pages itself.
ORIGIN_PAGES: ExtensionPoint[OriginPages] = ExtensionPoint("admin pages of a call's origin")


def link(text: str, page: str, pk: object) -> str:
    """Return an HTML link to an admin page of an object."""
    url = reverse(f"admin:{page}", args=[pk])
    return format_html('<a href="{}" class="text-primary-600">{}</a>', url, text)


class CallEvents(ReadOnlyInline):
    """The call's timeline, oldest event first."""

    model = CallEvent
    verbose_name_plural = "Timeline"
    fields = readonly_fields = ("at", "type", "text")
    ordering = ("at", "pk")


class Turns(ReadOnlyInline):
    """The call's transcript."""

    model = Turn
    verbose_name_plural = "Transcript"
    fields = readonly_fields = ("started_at", "role", "text", "interrupted")
    ordering = ("started_at", "pk")


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = (
        "created_at",
        "direction",
        "caller",
        "callee",
        "stage_badge",
        "outcome_badge",
        "end_reason",
        "sip_status_code",
        "duration",
        "agent_name",
        "workspace_name",
        "id",
    )
    list_filter = ("stage", "outcome", "direction", "has_recording", "detected", "created_at")
    # Exact, because a search for parts of numbers would read every call there is.
    search_fields = ("to_number__exact", "from_number__exact", "sip_call_id__exact", "room__exact")
    search_ids = ("pk", "batch_id", "recipient_id", "agent", "workspace")
    list_select_related = ("agent", "workspace")
    inlines = (CallEvents, Turns)
    readonly_fields = (
        "outcome_badge",
        "duration",
        "cost",
        "listen",
        "batch_page",
        "recipient_page",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("from_number", "to_number"),
                    ("stage", "outcome_badge"),
                    ("end_reason", "hung_up_by"),
                    ("sip_status_code", "sip_status"),
                    ("detected", "duration"),
                    ("disposition", "disposition_by"),
                    ("cost", "latency"),
                    "usage",
                    "listen",
                )
            },
        ),
        (
            "Origin",
            {
                "fields": (
                    ("workspace", "direction"),
                    ("agent", "agent_version"),
                    ("batch_page", "recipient_page"),
                    ("number", "attempt"),
                    ("variables", "metadata"),
                )
            },
        ),
        ("Times", {"fields": (("dialed_at", "ringing_at"), ("answered_at", "ended_at"))}),
        (
            "For engineers",
            {
                "classes": ("collapse",),
                "fields": (
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

    def get_urls(self) -> list[URLPattern]:
        listen = self.admin_site.admin_view(self.recording)
        return [
            path("<uuid:pk>/recording/", listen, name="telephony_call_recording"),
            *super().get_urls(),
        ]

    def recording(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Redirect to a link that works for five minutes; the access is audited."""
        call = self.get_object(request, str(pk))
        if call is None or not self.has_view_permission(request, call):
            raise PermissionDenied
        try:
            url, _ = create_recording_link(call=call, principal=principal_of(request, call))
        except DomainError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return redirect("admin:telephony_call_change", pk)
        return redirect(url)

    @admin.display(description="Recording")
    def listen(self, call: Call) -> str:
        return link("Listen", "telephony_call_recording", call.pk) if call.has_recording else "none"

    @admin.display(description="Cost")
    def cost(self, call: Call) -> str:
        if call.cost_micros is None:
            return "unknown"
        return f"{call.cost_micros / MILLION:.4f} {price_table().currency}"

    @admin.display(description="Batch")
    def batch_page(self, call: Call) -> str:
        if call.batch_id is None:
            return "none"
        return link(str(call.batch_id), ORIGIN_PAGES.get().batch, call.batch_id)

    @admin.display(description="Recipient")
    def recipient_page(self, call: Call) -> str:
        if call.recipient_id is None:
            return "none"
        return link(str(call.recipient_id), ORIGIN_PAGES.get().recipient, call.recipient_id)

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

    @badge_column("Stage", STAGES)
    def stage_badge(self, call: Call) -> str:
        return call.stage

    @badge_column("Outcome", OUTCOME_COLOURS)
    def outcome_badge(self, call: Call) -> str | None:
        return call.outcome

    @admin.display(description="Duration, s")
    def duration(self, call: Call) -> float | None:
        return call.duration_seconds


@admin.register(CallEvent)
class CallEventAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = ("at", "type", "masked_text", "call_id", "workspace_name")
    list_filter = ("type", "at")
    search_fields = ("type__exact", "external_id__exact")
    search_ids = ("pk", "call", "workspace")
    list_select_related = ("workspace",)

    @admin.display(description="Text")
    def masked_text(self, event: CallEvent) -> str:
        return mask_numbers_in(event.text)


@admin.register(Turn)
class TurnAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = ("started_at", "role", "call_id", "interrupted", "workspace_name")
    list_filter = ("role", "interrupted", "started_at")
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
    list_filter = ("status", "created_at")
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
    list_filter = ("event", ("applied_at", admin.EmptyFieldListFilter), "received_at")
    search_fields = ("event_id__exact", "room__exact")
    search_ids = ("event_id",)
    ordering = ("-received_at", "-pk")
