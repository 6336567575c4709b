"""What an agent can do during a call."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from rest_framework import serializers

from agents.serializers.stored import StoredSerializer, VerbatimText, require_unique_names
from voiceops.api.errors import field_error
from voiceops.api.field_errors import FieldErrors
from voiceops.api.serializers import Choice, JsonObject, Number, Phone, Text, Url
from voiceops.core.ip_networks import is_public, parse_address

TOOL_TYPES = ["webhook", "end_call", "transfer_call", "dtmf", "mcp", "opt_out"]
# Tools that ask a server, at their `url` and with their headers.
TOOLS_WITH_URL = ("webhook", "mcp")
TRANSFER_METHODS = ["refer", "join"]
MAX_DESTINATIONS = 50
# RFC 9110: a token; values without control characters, so that none smuggles in a second header.
HTTP_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


class SecretHeaders(JsonObject):
    """Headers that are written and never read: their values are answered as a mask."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Raises ValidationError for a name or value that HTTP does not permit."""
        headers: dict[str, Any] = super().to_internal_value(data)
        errors = FieldErrors()
        for name, value in headers.items():
            if not HTTP_HEADER_NAME.fullmatch(name):
                wrong = field_error("value_error", "this is no name of an HTTP header")
                errors.add(name, wrong.detail)
            elif CONTROL_CHARACTER.search(value):
                wrong = field_error("value_error", "a header has no control characters")
                errors.add(name, wrong.detail)
        errors.raise_if_any()
        return headers


def names_inside(url: str) -> bool:
    """Return whether a URL has an address of somebody's own network in it.

    The voice worker checks what names resolve to, and refuses all but https.
    """
    address = parse_address(urlsplit(url).hostname or "")
    return address is not None and not is_public(address) and not settings.DEBUG


class DestinationSerializer(StoredSerializer):
    """Somebody a call may be transferred to."""

    name = Text(max_length=64, help_text="what the agent calls it")
    number = Phone(max_length=64)


class ToolSerializer(StoredSerializer):
    """A tool: `webhook` and `mcp` ask a server; `opt_out` has the callee never called again."""

    type = Choice(choices=TOOL_TYPES)
    name = Text(max_length=64)
    description = Text(max_length=2000, allow_blank=True, required=False)
    parameters = JsonObject(required=False)
    url = Url(max_length=2000, required=False, help_text="of `webhook` and `mcp`")
    headers = JsonObject(child=Text(max_length=2000, allow_blank=True), required=False)
    secret_headers = SecretHeaders(
        child=Text(max_length=2000),
        required=False,
        help_text="of `webhook` and `mcp`; answered as `********`, which keeps the stored value "
        "when it is sent back",
    )
    timeout_seconds = Number(min_value=0.1, max_value=120, required=False)
    # The stubs do not know that a list has `max_length`.
    destinations = DestinationSerializer(  # type: ignore[call-arg]
        many=True,
        max_length=MAX_DESTINATIONS,
        required=False,
        help_text="of `transfer_call`: to these alone; without them to any number",
    )
    method = Choice(
        choices=TRANSFER_METHODS,
        required=False,
        help_text="of `transfer_call`: `refer` (without it) hands the callee's line over, `join` "
        "calls one of the `destinations` into the call",
    )
    say_while_running = VerbatimText(
        max_length=500,
        allow_blank=True,
        required=False,
        help_text="what the agent says while the tool works",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        errors = FieldErrors()
        kind = attrs["type"]
        if kind in TOOLS_WITH_URL and "url" not in attrs:
            errors.add("url", field_error("value_error.missing").detail)
        elif kind == "mcp" and names_inside(attrs["url"]):
            errors.add("url", field_error("value_error", "the address must be public").detail)
        if "secret_headers" in attrs and kind not in TOOLS_WITH_URL:
            wrong = field_error("value_error", "only webhook and mcp have secret headers")
            errors.add("secret_headers", wrong.detail)
        for key in ("destinations", "method"):
            if key in attrs and kind != "transfer_call":
                wrong = field_error("value_error", f"only transfer_call has {key}")
                errors.add(key, wrong.detail)
        if (
            kind == "transfer_call"
            and attrs.get("method") == "join"
            and not attrs.get("destinations")
        ):
            # Else whoever talks to the agent could have any number dialled.
            wrong = field_error("value_error", "join needs destinations")
            errors.add("destinations", wrong.detail)
        if errors:
            raise serializers.ValidationError(errors.as_detail())
        return attrs

    def validate_destinations(self, destinations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return require_unique_names(destinations)
