"""Numbers and calls, for staff. What a provider must know of is changed through the API; what happened, nowhere."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline

from accounts.staff import History, SerializerForm, StaffAdmin, coloured
from telephony.models import Call, CallEvent, InboxEvent, NumberPace, PhoneNumber, Recording, SipTrunk, Turn
from telephony.serializers.numbers import PhoneNumberChangeSerializer
from voiceops.masking import masked

STAGES = {
    "reserved": "info",
    "intent": "info",
    "unknown": "danger",
    "dialing": "info",
    "ringing": "info",
    "in_progress": "success",
}
OUTCOMES = {"answered": "success", "voicemail": "info", "unknown": "danger", "trunk_error": "danger"}


class PhoneNumberForm(SerializerForm):
    serializer = PhoneNumberChangeSerializer

    class Meta:
        model = PhoneNumber
        fields = ("label", "calls_per_second", "max_concurrent_calls")


@admin.register(PhoneNumber)
class PhoneNumberAdmin(StaffAdmin):
    form = PhoneNumberForm
    list_display = (
        "phone_number",
        "label",
        "workspace",
        "provider",
        "shown_status",
        "calls_per_second",
        "max_concurrent_calls",
        "inbound_agent",
        "in_step",
    )
    list_filter = ("status", "provider", "sip_transport", "created_at")
    search_fields = ("phone_number", "label", "sip_address", "workspace__name")
    search_ids = ("pk", "workspace", "inbound_agent")
    list_select_related = ("workspace", "inbound_agent")
    readonly_fields = (
        "phone_number",
        "workspace",
        "provider",
        "status",
        "sip_address",
        "sip_transport",
        "sip_auth_username",
        "has_password",
        "allowed_addresses",
        "inbound_agent",
        "dispatch_rule_id",
        "provider_sids",
        "drift",
        "created_at",
    )
    fields = (*readonly_fields, *PhoneNumberForm.Meta.fields)

    @coloured("Status", {"active": "success", "provisioning": "info", "error": "danger"})
    def shown_status(self, number: PhoneNumber) -> str:
        return number.status

    @admin.display(description="As LiveKit has it", boolean=True)
    def in_step(self, number: PhoneNumber) -> bool:
        return not number.drift

    @admin.display(description="SIP password set", boolean=True)
    def has_password(self, number: PhoneNumber) -> bool:
        return bool(number.sip_auth_password)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a number is registered together with its trunks at LiveKit

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # and leaves together with them


@admin.register(NumberPace)
class NumberPaceAdmin(History):
    list_display = ("number", "workspace", "next_slot_at", "backoff_until", "backoff_seconds")
    list_filter = (("backoff_until", admin.EmptyFieldListFilter),)
    search_fields = ("number__phone_number", "workspace__name")
    list_select_related = ("number", "workspace")


@admin.register(SipTrunk)
class SipTrunkAdmin(History):
    list_display = ("livekit_trunk_id", "direction", "phone_number", "address", "transport", "status", "workspace")
    list_filter = ("direction", "status", "transport", "created_at")
    search_fields = ("livekit_trunk_id", "address", "phone_number__phone_number", "workspace__name")
    search_ids = ("pk", "phone_number", "workspace")
    list_select_related = ("phone_number", "workspace")
    exclude = ("auth_password",)


class CallEvents(TabularInline):  # type: ignore[misc]  # the library is not typed
    """The timeline, oldest first."""

    model = CallEvent
    fields = readonly_fields = ("at", "type", "text")
    ordering = ("at", "pk")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Call)
class CallAdmin(History):
    personal = True
    list_display = (
        "id",
        "direction",
        "caller",
        "callee",
        "shown_stage",
        "shown_outcome",
        "sip_status_code",
        "agent",
        "workspace",
        "created_at",
        "duration",
    )
    list_filter = ("stage", "outcome", "direction", "has_recording", "detected", "created_at")
    search_fields = ("to_number__exact", "from_number__exact", "sip_call_id__exact", "room__exact")
    search_ids = ("pk", "batch_id", "recipient_id", "agent", "workspace")
    list_select_related = ("agent", "workspace")
    inlines = (CallEvents,)

    @admin.display(description="From")
    def caller(self, call: Call) -> str:
        return masked(call.from_number) if call.direction == "inbound" else call.from_number

    @admin.display(description="To")
    def callee(self, call: Call) -> str:
        return call.to_number if call.direction == "inbound" else masked(call.to_number)

    @coloured("Stage", STAGES)
    def shown_stage(self, call: Call) -> str:
        return call.stage

    @coloured("Outcome", OUTCOMES)
    def shown_outcome(self, call: Call) -> str | None:
        return call.outcome

    @admin.display(description="Talked, s")
    def duration(self, call: Call) -> float | None:
        return call.duration_seconds


@admin.register(CallEvent)
class CallEventAdmin(History):
    personal = True
    list_display = ("at", "type", "text", "call_id", "workspace")
    list_filter = ("type", "at")
    search_fields = ("type__exact", "external_id__exact")
    search_ids = ("pk", "call", "workspace")
    list_select_related = ("workspace",)


@admin.register(Turn)
class TurnAdmin(History):
    personal = True
    list_display = ("started_at", "role", "call_id", "interrupted", "workspace")
    list_filter = ("role", "interrupted", "started_at")
    search_fields = ("external_id__exact",)
    search_ids = ("pk", "call", "workspace")
    list_select_related = ("workspace",)


@admin.register(Recording)
class RecordingAdmin(History):
    personal = True
    list_display = ("call_id", "shown_status", "size_bytes", "duration_seconds", "workspace", "created_at", "ready_at")
    list_filter = ("status", "created_at")
    search_fields = ("egress_id__exact", "storage_key__exact")
    search_ids = ("pk", "call", "workspace")
    list_select_related = ("workspace",)

    @coloured("Status", {"ready": "success", "pending": "info", "failed": "danger", "pruned": "warning"})
    def shown_status(self, recording: Recording) -> str:
        return recording.status


@admin.register(InboxEvent)
class InboxEventAdmin(History):
    list_display = ("event_id", "event", "room", "received_at", "applied_at")
    list_filter = ("event", ("applied_at", admin.EmptyFieldListFilter), "received_at")
    search_fields = ("event_id__exact", "room__exact")
    search_ids = ("event_id",)
    ordering = ("-received_at", "-pk")
