"""Numbers and trunks for staff. What a provider has to know is changed by orders of their panel."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path

from accounts.staff.base import ReadOnlyAdmin, SerializerForm, badge_column
from accounts.staff.filters import BY_WORKSPACE, dates
from accounts.staff.panels import PanelAdmin
from telephony.admin.number_orders import NUMBER_ORDERS, number_panel
from telephony.admin.number_pages import buy_page, register_page
from telephony.models import NumberPace, PhoneNumber, SipTrunk
from telephony.serializers.numbers import PhoneNumberChangeSerializer
from telephony.services.sip_headers import mask_headers


class PhoneNumberForm(SerializerForm):
    serializer = PhoneNumberChangeSerializer

    class Meta:
        model = PhoneNumber
        fields = ("label", "calls_per_second", "max_concurrent_calls")


@admin.register(PhoneNumber)
class PhoneNumberAdmin(PanelAdmin):
    form = PhoneNumberForm
    panel_template = "admin/panels/number.html"
    orders = NUMBER_ORDERS
    list_before_template = "admin/numbers/links.html"
    list_display = (
        "phone_number",
        "label",
        "workspace_name",
        "provider",
        "status_badge",
        "calls_per_second",
        "max_concurrent_calls",
        "inbound_agent",
        "is_in_sync",
    )
    list_filter = (BY_WORKSPACE, "status", "provider", "sip_transport", dates())
    search_fields = ("phone_number", "label", "sip_address", "workspace__name")
    search_ids = ("pk", "workspace", "inbound_agent")
    list_select_related = ("workspace", "inbound_agent", "pace")
    readonly_fields = (
        "phone_number",
        "workspace",
        "provider",
        "sip_address",
        "sip_transport",
        "sip_auth_username",
        "has_password",
        "allowed_addresses",
        "dial_format",
        "dial_prefix",
        "codecs",
        "masked_headers",
        "dispatch_rule_id",
        "provider_sids",
        "created_at",
    )
    fieldsets = (
        ("Settings", {"fields": PhoneNumberForm.Meta.fields}),
        ("Carrier", {"classes": ("collapse",), "fields": readonly_fields}),
    )

    def panel_context(self, request: HttpRequest, row: PhoneNumber) -> dict[str, Any]:
        return number_panel(row)

    def get_urls(self) -> list[URLPattern]:
        pages = {"register": register_page, "buy": buy_page}
        own = [
            path(f"{name}/", self.admin_site.admin_view(view), name=f"telephony_phonenumber_{name}")
            for name, view in pages.items()
        ]
        return [*own, *super().get_urls()]

    @badge_column(
        "Status",
        {"active": "success", "provisioning": "info", "error": "danger", "failing": "danger"},
    )
    def status_badge(self, number: PhoneNumber) -> str:
        return number.public_status

    @admin.display(description="In sync with LiveKit", boolean=True)
    def is_in_sync(self, number: PhoneNumber) -> bool:
        return not number.drift

    @admin.display(description="SIP password set", boolean=True)
    def has_password(self, number: PhoneNumber) -> bool:
        return bool(number.sip_auth_password)

    @admin.display(description="SIP headers", empty_value="-")
    def masked_headers(self, number: PhoneNumber) -> str | None:
        lines = [f"{name}: {value}" for name, value in mask_headers(number).items()]
        return ", ".join(lines) or None

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A number is registered together with its trunks at LiveKit, on a page of its own.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # And removed together with them.
        return False


@admin.register(NumberPace)
class NumberPaceAdmin(ReadOnlyAdmin):
    list_display = (
        "number",
        "workspace_name",
        "next_slot_at",
        "backoff_until",
        "provider_failures",
        "trouble",
        "probe_at",
    )
    list_filter = (
        ("backoff_until", admin.EmptyFieldListFilter),
        ("trouble", admin.EmptyFieldListFilter),
    )
    search_fields = ("number__phone_number", "workspace__name")
    list_select_related = ("number", "workspace")


@admin.register(SipTrunk)
class SipTrunkAdmin(ReadOnlyAdmin):
    list_display = (
        "livekit_trunk_id",
        "direction",
        "phone_number",
        "address",
        "transport",
        "status",
        "workspace_name",
    )
    list_filter = ("direction", "status", "transport", dates())
    search_fields = ("livekit_trunk_id", "address", "phone_number__phone_number", "workspace__name")
    search_ids = ("pk", "phone_number", "workspace")
    list_select_related = ("phone_number", "workspace")
    exclude = ("auth_password",)
