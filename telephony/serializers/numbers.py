"""The bodies of phone numbers, SIP trunks and numbers for sale."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceRelatedField, WorkspaceSerializer
from agents.models import Agent
from telephony.models import FAILING, PhoneNumber, Provider, SipTrunk, Transport
from telephony.serializers.sip import SipAddress, SipChangeSerializer, SipSerializer, SipText
from telephony.services.numbers import NumberOrder
from telephony.services.sip_headers import restore_masked
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

MAX_CALLS_PER_SECOND = 1000
CONCURRENT_CALLS_LIMIT = 100_000


class PhoneNumberSerializer(WorkspaceSerializer):
    """A phone number. `sip` is required for a carrier's number, not for one at Twilio."""

    needs_instances: ClassVar = True

    phone_number = Phone()
    # The stubs see `Field.label`; this is the number's column.
    label = Text(max_length=200, allow_blank=True, default="")  # type: ignore[assignment]
    provider = Choice(choices=Provider.values)
    status = serializers.ChoiceField(
        (*PhoneNumber.Status.values, FAILING), source="public_status", read_only=True
    )
    sip = SipSerializer(source="*", required=False)  # see to_internal_value
    inbound_agent_id = WorkspaceRelatedField(
        source="inbound_agent",
        queryset=Agent.unscoped.filter(deleted_at=None),
        allow_null=True,
        default=None,
    )
    calls_per_second = Number(min_value=0.1, max_value=MAX_CALLS_PER_SECOND, default=1.0)
    max_concurrent_calls = Integer(min_value=1, max_value=CONCURRENT_CALLS_LIMIT, default=10)
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
        # A number at Twilio gets its trunk, and with it the SIP settings, from us.
        is_at_twilio = isinstance(data, Mapping) and data.get("provider") == Provider.TWILIO
        self.fields["sip"].required = not is_at_twilio and not self.partial
        return super().to_internal_value(data)

    def get_sip_trunk_ids(self, number: PhoneNumber) -> dict[str, str | None]:
        ids = {trunk.direction: str(trunk.pk) for trunk in number.trunks.all()}
        return {direction: ids.get(direction) for direction in ("inbound", "outbound")}

    def to_order(self) -> NumberOrder:
        """Return the validated body as an order."""
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
                dial_format=values.pop("dial_format"),
                dial_prefix=values.pop("dial_prefix"),
                codecs=values.pop("codecs"),
            )
        return NumberOrder(sip=sip, **values)


class PhoneNumberChangeSerializer(PhoneNumberSerializer):
    """What PATCH may change; the number itself and its provider are ignored."""

    sip = SipChangeSerializer(source="*", required=False)

    class Meta(PhoneNumberSerializer.Meta):
        pass

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        number = self.instance
        if not isinstance(number, PhoneNumber) or "headers" not in attrs:
            return attrs
        try:
            return {**attrs, "headers": restore_masked(number, attrs["headers"])}
        except LookupError as error:
            text = "Nothing is stored behind the mask; write the value itself"
            name = str(error.args[0])
            details: Any = {"sip": {"headers": {name: field_error("value_error", text).detail}}}
            raise serializers.ValidationError(details) from error

    # Read-only, where the serializer above accepts it.
    phone_number = serializers.CharField(read_only=True)  # type: ignore[assignment]
    provider = serializers.CharField(read_only=True)  # type: ignore[assignment]


class PurchaseSerializer(WorkspaceSerializer):
    """The body of a purchase at Twilio."""

    phone_number = Phone()
    # The stubs see `Field.label`; this is the number's column.
    label = Text(max_length=200, allow_blank=True, default="")  # type: ignore[assignment]
    inbound_agent_id = WorkspaceRelatedField(
        source="inbound_agent",
        queryset=Agent.unscoped.filter(deleted_at=None),
        allow_null=True,
        default=None,
    )

    class Meta:
        model = PhoneNumber
        fields = ("phone_number", "label", "inbound_agent_id")


class CountryQuery(PageQuery):
    """The query of `GET /phone-numbers/prices`."""

    country = Text(default="US", min_length=2, max_length=2)

    def validate_country(self, country: str) -> str:
        if not (country.isascii() and country.isalpha()):
            raise field_error("value_error", "a country code of two letters is expected")
        return country.upper()


class InventoryQuery(CountryQuery):
    """The query of `GET /phone-numbers/available`."""

    type = Choice(choices=["local", "toll_free", "mobile"], default="local")
    area_code = Integer(min_value=1, max_value=9999, required=False)
    contains = Text(max_length=16, required=False, allow_blank=True)

    def validate_contains(self, pattern: str) -> str:
        if not re.fullmatch(r"[0-9A-Za-z*+]*", pattern):
            raise field_error("value_error", "only digits, letters, * and + are permitted")
        return pattern


@extend_schema_serializer(component_name="TrialCall")
class TestCallSerializer(StrictSerializer):
    """The body of a test call."""

    to = Phone()


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


class NumberPricesSerializer(StrictSerializer):
    """What Twilio's numbers of a country cost a month."""

    country = Text()
    currency = Text()
    monthly = JsonObject(
        child=Number(), help_text="by `local`, `toll_free`, `mobile` and `national`, where sold"
    )


class SipTrunkSerializer(WorkspaceSerializer):
    """A SIP trunk. An outbound trunk needs an address."""

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
        direction = data.get("direction") if isinstance(data, Mapping) else None
        self.fields["address"].required = direction == SipTrunk.TrunkDirection.OUTBOUND
        return super().to_internal_value(data)

    def validate_numbers(self, numbers: list[str]) -> list[str]:
        errors = {
            position: field_error("value_error", "this number is given twice").detail
            for position, number in enumerate(numbers)
            if number in numbers[:position]
        }
        if errors:
            # The stubs expect lists; keys stay integers, as `loc` needs them.
            raise serializers.ValidationError(errors)  # type: ignore[arg-type]
        return numbers


class SipTrunkChangeSerializer(SipTrunkSerializer):
    """What PATCH may change; the direction is ignored."""

    class Meta(SipTrunkSerializer.Meta):
        pass

    direction = serializers.CharField(read_only=True)  # type: ignore[assignment]  # never changed
