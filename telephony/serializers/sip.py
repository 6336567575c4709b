"""How a number's carrier is reached: the `sip` part of a phone number."""

import re
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.fields import SkipField

from agents.secrets import MASK
from telephony.domain.dialled_form import DIAL_PREFIX
from telephony.models import Codec, DialFormat, PhoneNumber, Transport
from telephony.services.sip_addresses import is_well_formed, require_public
from telephony.services.sip_headers import mask_headers
from voiceops.api.errors import field_error
from voiceops.api.serializers import (
    Choice,
    JsonObject,
    ListField,
    NetworkText,
    StrictSerializer,
    Text,
)

# A name of RFC 3261 (`token`), short enough for every exchange; one letter is a compact form.
HEADER_NAME = re.compile(r"[A-Za-z0-9!%*_+`'~.-]{2,62}")
MAX_HEADERS = 20
MAX_HEADER_BYTES = 256
# What LiveKit refuses (docs/reference/protocols.md §1.4), and the headers by which SIP's own
# machinery works: a second one of them would break the dialogue.
RESERVED_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "alert-info", "allow", "authorization",
    "call-id", "call-info", "contact", "content-disposition", "content-encoding",
    "content-language", "content-length", "content-type", "cseq", "date", "error-info", "event",
    "expires", "from", "identity", "in-reply-to", "max-forwards", "mime-version", "min-expires",
    "min-se", "organization", "path", "priority", "proxy-authenticate", "proxy-authorization",
    "proxy-require", "rack", "record-route", "refer-to", "referred-by", "replaces", "reply-to",
    "require", "retry-after", "route", "rseq", "server", "service-route", "session-expires",
    "subject", "subscription-state", "supported", "target-dialog", "timestamp", "to",
    "unsupported", "user-agent", "via", "warning", "www-authenticate",
})  # fmt: skip


class SipText(Text):
    """Text that becomes part of SIP messages: no line breaks or other control characters."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.isprintable():
            raise field_error("value_error", "control characters are not permitted")
        return text


class SipAddress(SipText):
    """Where a trunk leads: a host name or an IP address, maybe with a port.

    Raises Invalid for addresses that are not public, unless the provider is the sandbox.
    """

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        if not is_well_formed(address):
            expected = "a host name or IP address is expected, optionally with a port"
            raise field_error("value_error", expected)
        if not settings.USES_SANDBOX:
            require_public(address)
        return address


class DialPrefix(SipText):
    """What an exchange wants dialled before the number."""

    def to_internal_value(self, data: Any) -> str:
        prefix = super().to_internal_value(data)
        if not DIAL_PREFIX.fullmatch(prefix):
            raise field_error("value_error", "only the keys 0 to 9, * and # are permitted")
        return prefix


class Headers(JsonObject):
    """Headers to add to every INVITE, by name; null is none."""

    child = SipText(max_length=MAX_HEADER_BYTES, allow_blank=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        headers = super().to_internal_value(data)
        if len(headers) > MAX_HEADERS:
            raise field_error("value_error", f"at most {MAX_HEADERS} headers are permitted")
        if errors := {name: error for name in headers if (error := _name_error(name, headers))}:
            details: Any = {
                name: field_error("value_error", text).detail for name, text in errors.items()
            }
            raise serializers.ValidationError(details)
        return headers


def _name_error(name: str, headers: dict[str, Any]) -> str | None:
    """Return what is wrong with one header; None when it may be sent."""
    if not HEADER_NAME.fullmatch(name):
        return "a header's name has 2 to 62 letters, digits and -"
    if name.lower() in RESERVED_HEADERS:
        return "this header belongs to SIP itself and cannot be set"
    if sum(name.lower() == other.lower() for other in headers) > 1:
        return "this header is given twice"
    if len(f"{name}: {headers[name]}".encode()) > MAX_HEADER_BYTES:
        return f"a header may have at most {MAX_HEADER_BYTES} bytes"
    return None


class SipSerializer(StrictSerializer):
    """A number's carrier.

    Responses contain neither the password nor the allowed addresses, as documented, and of headers
    whose names sound like credentials only a mask.
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
        # A password may well begin or end with a space.
        trim_whitespace=False,
        default="",
        write_only=True,
    )
    has_password = serializers.SerializerMethodField()
    allowed_addresses = ListField(
        child=NetworkText(max_length=50), max_length=50, default=list, write_only=True
    )
    dial_format = Choice(
        choices=DialFormat.values,
        allow_null=True,
        default=None,
        help_text=(
            "The form in which the carrier wants numbers dialled: `e164` (as if null), `no_plus`, "
            "or `national` (as dialled in the country of this number, foreign numbers included)."
        ),
    )
    dial_prefix = DialPrefix(
        max_length=16,
        allow_null=True,
        default=None,
        help_text="Keys dialled before every number, such as 9 for an outside line.",
    )
    codecs = ListField(
        child=Choice(choices=Codec.values),
        min_length=1,
        max_length=len(Codec.values),
        allow_null=True,
        default=None,
        help_text="The only codecs offered to the carrier and accepted from it; null: LiveKit's.",
    )
    headers = Headers(
        allow_null=True,
        default=dict,
        help_text=(
            "Added to every INVITE. A value whose name sounds like a credential is stored "
            f"encrypted and returned as `{MASK}`, which a PATCH may send back."
        ),
    )

    def get_has_password(self, number: PhoneNumber) -> bool:
        return bool(number.sip_auth_password)

    def validate_codecs(self, codecs: list[str] | None) -> list[str] | None:
        if codecs is not None and len(set(codecs)) < len(codecs):
            raise field_error("value_error", "a codec is given twice")
        return codecs

    def validate_headers(self, headers: dict[str, str] | None) -> dict[str, str]:
        return headers or {}

    def to_representation(self, instance: PhoneNumber) -> dict[str, Any]:
        body = super().to_representation(instance)
        return {**body, "headers": mask_headers(instance)}


class SipChangeSerializer(SipSerializer):
    """The carrier in a PATCH, where absent fields stay as they are.

    A client that has read the object cannot send its password back.
    """

    def _default_of(self, field: serializers.Field[Any, Any, Any, Any]) -> Any:
        raise SkipField
