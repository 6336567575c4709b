import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.fields import SkipField

from accounts.api.related_fields import WorkspaceRelatedField, WorkspaceSerializer
from agents.models import Agent
from telephony.models import FAILING, PhoneNumber, Provider, SipTrunk, Transport
from telephony.services.numbers import NumberOrder
from telephony.services.sip_addresses import is_well_formed, require_public
from telephony.services.trunk_config import SipSettings
from voiceops.api.errors import field_error
from voiceops.api.serializers import (
    Boolean,
    Choice,
    DateTime,
    Integer,
    JsonObject,
    ListField,
    NetworkText,
    Number,
    PageQuery,
    Phone,
    StrictSerializer,
    Text,
)

HEADER_NAME = re.compile(r"X-[A-Za-z0-9-]{1,60}", re.IGNORECASE)
MAX_HEADERS, MAX_HEADER_BYTES = 20, 256
MAX_CALLS_PER_SECOND, MAX_CONCURRENT_CALLS = 1000, 100_000


class SipText(Text):
    """What stands in a SIP message: no line breaks, no other control characters."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.isprintable():
            raise field_error("value_error", "control characters are not permitted")
        return text


class SipAddress(SipText):
    """Where a trunk leads. Raises Invalid, after the schema, for a literal address that is not
    public.
    """

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        if not is_well_formed(address):
            raise field_error(
                "value_error", "a host name or IP address is expected, optionally with a port"
            )
        if not settings.USES_SANDBOX:
            require_public(address)
        return address


class Headers(JsonObject):
    """Headers of our own on every INVITE: X-* only."""

    child = SipText(max_length=MAX_HEADER_BYTES, allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        headers = super().to_internal_value(data)
        if len(headers) > MAX_HEADERS:
            raise field_error("value_error", f"at most {MAX_HEADERS} headers are permitted")
        for name, value in headers.items():
            if not HEADER_NAME.fullmatch(name):
                raise field_error(
                    "value_error", "only headers whose name begins with X- are permitted"
                )
            if len(f"{name}: {value}".encode()) > MAX_HEADER_BYTES:
                raise field_error(
                    "value_error", f"a header may have at most {MAX_HEADER_BYTES} bytes"
                )
        return headers


class SipSerializer(StrictSerializer):
    """A number's carrier. The password is never shown, nor who may call in and the headers: the
    shape is documented.
    """

    address = SipAddress(source="sip_address", max_length=255)
    transport = Choice(source="sip_transport", choices=Transport.values, default=Transport.TCP)
    auth_username = SipText(
        source="sip_auth_username", max_length=255, allow_blank=True, default=""
    )
    auth_password = SipText(
        source="sip_auth_password",
        max_length=255,
        allow_blank=True,
        trim_whitespace=False,
        default="",
        write_only=True,
    )
    has_password = serializers.SerializerMethodField()
    allowed_addresses = ListField(
        child=NetworkText(max_length=50), max_length=50, default=list, write_only=True
    )
    headers = Headers(default=dict, write_only=True)

    def get_has_password(self, number: PhoneNumber) -> bool:
        return bool(number.sip_auth_password)


class SipChangeSerializer(SipSerializer):
    """In a PATCH what is left out stays as it is: nobody who read the object can send its password
    back.
    """

    def _default_of(self, field: serializers.Field[Any, Any, Any, Any]) -> Any:
        raise SkipField


class PhoneNumberSerializer(WorkspaceSerializer):
    """`sip` is required of a carrier's number. A number at Twilio needs none: Twilio is connected
    for it.
    """

    phone_number = Phone()
    label = Text(max_length=200, allow_blank=True, default="")  # type: ignore[assignment]  # the column, not the field's
    provider = Choice(choices=Provider.values)
    status = serializers.ChoiceField(
        (*PhoneNumber.Status.values, FAILING), source="public_status", read_only=True
    )
    sip = SipSerializer(source="*")
    inbound_agent_id = WorkspaceRelatedField(
        source="inbound_agent",
        queryset=Agent.unscoped.filter(deleted_at=None),
        allow_null=True,
        default=None,
    )
    calls_per_second = Number(min_value=0.1, max_value=MAX_CALLS_PER_SECOND, default=1.0)
    max_concurrent_calls = Integer(min_value=1, max_value=MAX_CONCURRENT_CALLS, default=10)
    sip_trunk_ids = serializers.SerializerMethodField()

    class Meta:
        model = PhoneNumber
        fields = (
            "id",
            "phone_number",
            "label",
            "provider",
            "status",
            "sip",
            "inbound_agent_id",
            "calls_per_second",
            "max_concurrent_calls",
            "sip_trunk_ids",
            "created_at",
        )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        at_twilio = isinstance(data, Mapping) and data.get("provider") == Provider.TWILIO
        self.fields["sip"].required = not at_twilio and not self.partial
        return super().to_internal_value(data)

    def get_sip_trunk_ids(self, number: PhoneNumber) -> dict[str, str | None]:
        ids = {trunk.direction: str(trunk.pk) for trunk in number.trunks.all()}
        return {direction: ids.get(direction) for direction in ("inbound", "outbound")}

    def order(self) -> NumberOrder:
        """The validated body as the order it is."""
        values = dict(self.validated_data)
        sip = None
        if "sip_address" in values:
            sip = SipSettings(
                address=values.pop("sip_address"),
                transport=values.pop("sip_transport"),
                auth_username=values.pop("sip_auth_username"),
                auth_password=values.pop("sip_auth_password"),
                allowed_addresses=tuple(values.pop("allowed_addresses")),
                headers=values.pop("headers"),
            )
        return NumberOrder(sip=sip, **values)


class PhoneNumberChangeSerializer(PhoneNumberSerializer):
    """What PATCH may change; the number itself and its provider are ignored."""

    sip = SipChangeSerializer(source="*", required=False)

    class Meta(PhoneNumberSerializer.Meta):
        pass

    phone_number = serializers.CharField(read_only=True)  # type: ignore[assignment]  # what it is, it stays
    provider = serializers.CharField(read_only=True)  # type: ignore[assignment]


class PurchaseSerializer(WorkspaceSerializer):
    phone_number = Phone()
    label = Text(max_length=200, allow_blank=True, default="")  # type: ignore[assignment]  # the column, not the field's
    inbound_agent_id = WorkspaceRelatedField(
        source="inbound_agent",
        queryset=Agent.unscoped.filter(deleted_at=None),
        allow_null=True,
        default=None,
    )

    class Meta:
        model = PhoneNumber
        fields = ("phone_number", "label", "inbound_agent_id")

    def order(self) -> NumberOrder:
        return NumberOrder(provider=Provider.TWILIO, buy=True, **self.validated_data)


class InventoryQuery(PageQuery):
    """`GET /phone-numbers/available`."""

    country = Text(default="US", min_length=2, max_length=2)
    type = Choice(choices=["local", "toll_free", "mobile"], default="local")
    area_code = Integer(min_value=1, max_value=9999, required=False)
    contains = Text(max_length=16, required=False, allow_blank=True)

    def validate_country(self, country: str) -> str:
        if not (country.isascii() and country.isalpha()):
            raise field_error("value_error", "a country code of two letters is expected")
        return country.upper()

    def validate_contains(self, pattern: str) -> str:
        if not re.fullmatch(r"[0-9A-Za-z*+]*", pattern):
            raise field_error("value_error", "only digits, letters, * and + are permitted")
        return pattern


class TrialCallSerializer(StrictSerializer):
    to = Phone()


class TrialSerializer(StrictSerializer):
    """What the carrier answered to a test call."""

    outcome = Text()
    sip_status_code = Integer(allow_null=True)
    sip_status = Text(allow_null=True)
    text = Text()


class DriftSerializer(StrictSerializer):
    """Differences between a number and what LiveKit has for it, in sentences."""

    checked_at = DateTime()
    drift = ListField(child=Text())


class OfferSerializer(StrictSerializer):
    """A number that Twilio sells."""

    phone_number = Text()
    friendly_name = Text()
    country = Text()
    type = Text()
    locality = Text(allow_null=True)
    region = Text(allow_null=True)
    postal_code = Text(allow_null=True)
    address_requirements = Text()
    capabilities = JsonObject(child=Boolean())


class SipTrunkSerializer(WorkspaceSerializer):
    """A trunk of one's own. An outbound one needs an address."""

    direction = Choice(choices=SipTrunk.TrunkDirection.values)
    address = SipAddress(max_length=255, required=False)
    transport = Choice(choices=Transport.values, default=Transport.TCP, write_only=True)
    auth_username = SipText(max_length=255, allow_blank=True, default="", write_only=True)
    auth_password = SipText(
        max_length=255, allow_blank=True, trim_whitespace=False, default="", write_only=True
    )
    numbers = ListField(child=Phone(), min_length=1, max_length=1000)
    allowed_addresses = ListField(
        child=NetworkText(max_length=50), max_length=50, default=list, write_only=True
    )
    phone_number_id = serializers.UUIDField(read_only=True, allow_null=True)

    class Meta:
        model = SipTrunk
        fields = (
            "id",
            "direction",
            "livekit_trunk_id",
            "phone_number_id",
            "address",
            "numbers",
            "status",
            "created_at",
            "transport",
            "auth_username",
            "auth_password",
            "allowed_addresses",
        )
        read_only_fields = ("livekit_trunk_id", "status")

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        outbound = (
            isinstance(data, Mapping) and data.get("direction") == SipTrunk.TrunkDirection.OUTBOUND
        )
        self.fields["address"].required = outbound
        return super().to_internal_value(data)

    def validate_numbers(self, numbers: list[str]) -> list[str]:
        twice = [
            position for position, number in enumerate(numbers) if number in numbers[:position]
        ]
        if twice:
            mistakes = {
                position: field_error("value_error", "this number is given twice").detail
                for position in twice
            }
            raise serializers.ValidationError(mistakes)  # type: ignore[arg-type]  # positions stay integers in `loc`
        return numbers


class SipTrunkChangeSerializer(SipTrunkSerializer):
    class Meta(SipTrunkSerializer.Meta):
        pass

    direction = serializers.CharField(read_only=True)  # type: ignore[assignment]  # a trunk does not turn round
