"""livekit.SIP trunks: validation, conflicts and filters (docs/reference/protocols.md §1.4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from livekit.protocol import models, sip

from sandbox.clock import Clock
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.twirp import TwirpError
from sandbox.store import Store

INBOUND_TABLE, OUTBOUND_TABLE = "inbound_trunks", "outbound_trunks"
PHONE_NUMBER = re.compile(r"^\+?[\d\- ()]+$")
FORBIDDEN_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "alert-info", "allow", "authorization",
    "call-id", "call-info", "contact", "content-disposition", "content-encoding",
    "content-language", "content-length", "content-type", "cseq", "date", "error-info", "expires",
    "from", "max-forwards", "mime-version", "min-expires", "organization", "proxy-authenticate",
    "proxy-authorization", "proxy-require", "record-route", "reply-to", "require", "retry-after",
    "route", "server", "supported", "timestamp", "to", "unsupported", "user-agent", "via",
    "warning", "www-authenticate",
})  # fmt: skip


def invalid_argument(msg: str) -> TwirpError:
    return TwirpError("invalid_argument", msg)


def normalize_number(number: str) -> str:
    """Return the number as LiveKit compares it (protocol/sip NormalizeNumber).

    Numbers are stored as they are received.
    """
    if not PHONE_NUMBER.match(number):
        return number
    digits = re.sub(r"[\s\-()]", "", number)
    return digits if digits.startswith("+") else f"+{digits}"


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises TwirpError when a SIP header is not allowed or too long."""
    for name, value in headers.items():
        if not name:
            raise invalid_argument("header name cannot be empty")
        if len(name) > 255:
            raise invalid_argument(f"header name too long: {name[:32]}...")
        if name.lower() in FORBIDDEN_HEADERS:
            raise invalid_argument(f"header name {name} not supported")
        if len(value) > 1024:
            raise invalid_argument(f"header value for {name} too long")


@dataclass
class Trunks:
    """The inbound and outbound trunks in the store."""

    store: Store
    clock: Clock

    def get_outbound_trunk(self, trunk_id: str) -> sip.SIPOutboundTrunkInfo:
        """Raises TwirpError when the trunk does not exist."""
        row = self.store.table(OUTBOUND_TABLE).get(trunk_id)
        if row is None:
            raise TwirpError("not_found", "requested sip trunk does not exist")
        return ParseDict(row, sip.SIPOutboundTrunkInfo())

    def get_inbound_trunk(self, trunk_id: str) -> sip.SIPInboundTrunkInfo:
        """Raises TwirpError when the trunk does not exist."""
        row = self.store.table(INBOUND_TABLE).get(trunk_id)
        if row is None:
            raise TwirpError("not_found", "requested sip trunk does not exist")
        return ParseDict(row, sip.SIPInboundTrunkInfo())

    def all_inbound(self) -> list[sip.SIPInboundTrunkInfo]:
        return [
            ParseDict(row, sip.SIPInboundTrunkInfo())
            for row in self.store.table(INBOUND_TABLE).values()
        ]

    def _store(self, table: str, info: Any) -> None:
        info.updated_at.GetCurrentTime()
        if not info.HasField("created_at"):
            info.created_at.CopyFrom(info.updated_at)
        self.store.put(
            table, info.sip_trunk_id, MessageToDict(info, preserving_proto_field_name=True)
        )

    # --- inbound ---

    async def create_inbound(
        self, request: sip.CreateSIPInboundTrunkRequest, grants: Grants
    ) -> sip.SIPInboundTrunkInfo:
        """Raises TwirpError when the trunk is invalid or conflicts with another."""
        if not request.HasField("trunk"):
            raise invalid_argument("missing trunk")
        if request.trunk.sip_trunk_id:
            raise invalid_argument("trunk id must not be set")
        return self._save_inbound(request.trunk, new_livekit_id("ST_"))

    async def update_inbound(
        self, request: sip.UpdateSIPInboundTrunkRequest, grants: Grants
    ) -> sip.SIPInboundTrunkInfo:
        """Raises TwirpError when the trunk is unknown, invalid or conflicts with another."""
        info = self.get_inbound_trunk(request.sip_trunk_id)
        if request.HasField("replace"):
            created = info.created_at
            info = request.replace
            info.created_at.CopyFrom(created)
        elif request.HasField("update"):
            apply_update(info, request.update)
        else:
            raise invalid_argument("missing or unsupported action")
        return self._save_inbound(info, request.sip_trunk_id)

    def _save_inbound(
        self, info: sip.SIPInboundTrunkInfo, trunk_id: str
    ) -> sip.SIPInboundTrunkInfo:
        has_credentials = info.auth_username and info.auth_password
        if not (has_credentials or info.allowed_addresses or info.numbers):
            raise invalid_argument(
                "for security, one of the fields must be set: "
                "AuthUsername+AuthPassword, AllowedAddresses or Numbers"
            )
        check_headers(info.headers)
        self._check_conflicts(info, trunk_id)
        info.sip_trunk_id = trunk_id
        self._store(INBOUND_TABLE, info)
        return info

    def _check_conflicts(self, new: sip.SIPInboundTrunkInfo, trunk_id: str) -> None:
        """Raises TwirpError when another trunk accepts the same number from the same callers
        (protocol/sip ValidateTrunks).
        """
        for other in self.all_inbound():
            if other.sip_trunk_id == trunk_id:
                continue
            # Shared numbers are allowed only when both trunks restrict callers, and to others.
            shared = _shared_numbers(new, other)
            if shared is None:
                continue
            conflict = (
                f'Conflicting inbound SIP Trunks: "<new>" and "{other.sip_trunk_id}", '
                f"using the same number(s) {shared}"
            )
            if not new.allowed_numbers or not other.allowed_numbers:
                raise invalid_argument(f"{conflict} without AllowedNumbers set")
            others_callers = {normalize_number(number) for number in other.allowed_numbers}
            for allowed in new.allowed_numbers:
                if normalize_number(allowed) in others_callers:
                    raise invalid_argument(f'{conflict} and AllowedNumber "{allowed}"')

    async def list_inbound(
        self, request: sip.ListSIPInboundTrunkRequest, grants: Grants
    ) -> sip.ListSIPInboundTrunkResponse:
        found = [t for t in self.all_inbound() if _matches_filters(t, request)]
        return sip.ListSIPInboundTrunkResponse(items=found)

    async def get_inbound(
        self, request: sip.GetSIPInboundTrunkRequest, grants: Grants
    ) -> sip.GetSIPInboundTrunkResponse:
        """Raises TwirpError when the trunk does not exist."""
        return sip.GetSIPInboundTrunkResponse(trunk=self.get_inbound_trunk(request.sip_trunk_id))

    # --- outbound ---

    async def create_outbound(
        self, request: sip.CreateSIPOutboundTrunkRequest, grants: Grants
    ) -> sip.SIPOutboundTrunkInfo:
        """Raises TwirpError when the trunk is invalid."""
        if not request.HasField("trunk"):
            raise invalid_argument("missing trunk")
        if request.trunk.sip_trunk_id:
            raise invalid_argument("trunk id must not be set")
        return self._save_outbound(request.trunk, new_livekit_id("ST_"))

    async def update_outbound(
        self, request: sip.UpdateSIPOutboundTrunkRequest, grants: Grants
    ) -> sip.SIPOutboundTrunkInfo:
        """Raises TwirpError when the trunk is unknown or invalid."""
        info = self.get_outbound_trunk(request.sip_trunk_id)
        if request.HasField("replace"):
            created = info.created_at
            info = request.replace
            info.created_at.CopyFrom(created)
        elif request.HasField("update"):
            apply_update(info, request.update)
        else:
            raise invalid_argument("missing or unsupported action")
        return self._save_outbound(info, request.sip_trunk_id)

    def _save_outbound(
        self, info: sip.SIPOutboundTrunkInfo, trunk_id: str
    ) -> sip.SIPOutboundTrunkInfo:
        if not info.numbers:
            raise invalid_argument("no trunk numbers specified")
        if not info.address:
            raise invalid_argument("no outbound address specified")
        if "sip:" in info.address or "sips:" in info.address:
            raise invalid_argument("trunk address should be a hostname or IP, not SIP URI")
        if "transport=" in info.address:
            raise invalid_argument("trunk address should not contain transport parameter")
        check_headers(info.headers)
        info.sip_trunk_id = trunk_id
        self._store(OUTBOUND_TABLE, info)
        return info

    async def list_outbound(
        self, request: sip.ListSIPOutboundTrunkRequest, grants: Grants
    ) -> sip.ListSIPOutboundTrunkResponse:
        trunks = [
            ParseDict(row, sip.SIPOutboundTrunkInfo())
            for row in self.store.table(OUTBOUND_TABLE).values()
        ]
        return sip.ListSIPOutboundTrunkResponse(
            items=[t for t in trunks if _matches_filters(t, request)]
        )

    async def get_outbound(
        self, request: sip.GetSIPOutboundTrunkRequest, grants: Grants
    ) -> sip.GetSIPOutboundTrunkResponse:
        """Raises TwirpError when the trunk does not exist."""
        return sip.GetSIPOutboundTrunkResponse(trunk=self.get_outbound_trunk(request.sip_trunk_id))

    async def delete(self, request: sip.DeleteSIPTrunkRequest, grants: Grants) -> sip.SIPTrunkInfo:
        """Delete a trunk. An unknown one is not an error; dispatch rules that name it stay."""
        self.store.delete(INBOUND_TABLE, request.sip_trunk_id)
        self.store.delete(OUTBOUND_TABLE, request.sip_trunk_id)
        return sip.SIPTrunkInfo(sip_trunk_id=request.sip_trunk_id)


def _shared_numbers(new: sip.SIPInboundTrunkInfo, other: sip.SIPInboundTrunkInfo) -> str | None:
    """Return the numbers that both trunks accept, as Go prints them, or None when there are none.

    A trunk without numbers conflicts only with another one without numbers.
    """
    if not new.numbers or not other.numbers:
        return "[]" if not new.numbers and not other.numbers else None
    others_numbers = {normalize_number(number) for number in other.numbers}
    shared = [number for number in new.numbers if normalize_number(number) in others_numbers]
    return "[" + " ".join(f'"{number}"' for number in shared) + "]" if shared else None


def _matches_filters(trunk: Any, request: Any) -> bool:
    """Apply the filters of the List methods. A trunk without numbers matches every number."""
    if request.trunk_ids and trunk.sip_trunk_id not in request.trunk_ids:
        return False
    if not request.numbers or not trunk.numbers:
        return True
    requested = {normalize_number(n) for n in request.numbers}
    return any(normalize_number(n) in requested for n in trunk.numbers)


def apply_update(info: Any, update: Any) -> None:
    """Apply a partial update: scalars that are set, and lists by their ListUpdate.

    Raises TwirpError when a ListUpdate is empty.
    """
    for field, value in update.ListFields():
        if isinstance(value, models.ListUpdate):
            apply_list_update(getattr(info, field.name), value)
        elif field.type == field.TYPE_MESSAGE and not field.is_repeated:
            getattr(info, field.name).CopyFrom(value)
        elif field.is_repeated:  # the only maps are attributes
            for key, entry in value.items():
                getattr(info, field.name)[key] = entry
        else:
            setattr(info, field.name, value)


def apply_list_update(values: Any, update: models.ListUpdate) -> None:
    """Apply a ListUpdate to a repeated field. Raises TwirpError when it is empty."""
    if not (update.set or update.add or update.remove or update.clear):
        raise invalid_argument("unsupported list update operation")
    # Set or clear first, then remove, then add.
    kept = list(update.set) or ([] if update.clear else list(values))
    kept = [v for v in kept if v not in update.remove]
    kept += [v for v in update.add if v not in kept]
    del values[:]
    values.extend(kept)
