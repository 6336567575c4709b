"""livekit.SIP dispatch rules: the room of an inbound call (docs/reference/protocols.md §1.4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from livekit.protocol import sip

from sandbox.ids import new_livekit_id, random_name
from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.trunks import Trunks, apply_update, invalid_argument, normalize_number
from sandbox.livekit.twirp import TwirpError
from sandbox.store import Store

RULES_TABLE = "dispatch_rules"
LEGACY_FIELDS = (
    "trunk_ids",
    "hide_phone_number",
    "inbound_numbers",
    "name",
    "metadata",
    "room_preset",
)


@dataclass
class DispatchRules:
    """The dispatch rules in the store, and the matching of inbound calls."""

    store: Store
    trunks: Trunks

    def all(self) -> list[sip.SIPDispatchRuleInfo]:
        return [
            ParseDict(row, sip.SIPDispatchRuleInfo())
            for row in self.store.table(RULES_TABLE).values()
        ]

    def _get(self, rule_id: str) -> sip.SIPDispatchRuleInfo:
        """Raises TwirpError when the rule does not exist."""
        row = self.store.table(RULES_TABLE).get(rule_id)
        if row is None:
            raise TwirpError("not_found", "requested sip dispatch rule does not exist")
        return ParseDict(row, sip.SIPDispatchRuleInfo())

    async def create(
        self, request: sip.CreateSIPDispatchRuleRequest, grants: Grants
    ) -> sip.SIPDispatchRuleInfo:
        """Raises TwirpError when the rule is invalid or conflicts with another."""
        rule = request.dispatch_rule if request.HasField("dispatch_rule") else _from_legacy(request)
        if rule.sip_dispatch_rule_id:
            raise invalid_argument("rule id must not be set")
        return self._save(rule, new_livekit_id("SDR_"))

    async def update(
        self, request: sip.UpdateSIPDispatchRuleRequest, grants: Grants
    ) -> sip.SIPDispatchRuleInfo:
        """Raises TwirpError when the rule is unknown, invalid or conflicts with another."""
        rule = self._get(request.sip_dispatch_rule_id)
        if request.HasField("replace"):
            # A replacement keeps the time of creation.
            created = rule.created_at
            rule = request.replace
            rule.created_at.CopyFrom(created)
        elif request.HasField("update"):
            apply_update(rule, request.update)
        else:
            raise invalid_argument("missing or unsupported action")
        return self._save(rule, request.sip_dispatch_rule_id)

    async def list(
        self, request: sip.ListSIPDispatchRuleRequest, grants: Grants
    ) -> sip.ListSIPDispatchRuleResponse:
        found = [rule for rule in self.all() if _matches_filters(rule, request)]
        return sip.ListSIPDispatchRuleResponse(items=found)

    async def delete(
        self, request: sip.DeleteSIPDispatchRuleRequest, grants: Grants
    ) -> sip.SIPDispatchRuleInfo:
        """Raises TwirpError when the rule does not exist."""
        rule = self._get(request.sip_dispatch_rule_id)
        self.store.delete(RULES_TABLE, request.sip_dispatch_rule_id)
        return rule

    def _save(self, rule: sip.SIPDispatchRuleInfo, rule_id: str) -> sip.SIPDispatchRuleInfo:
        if rule.rule.WhichOneof("rule") is None:
            raise invalid_argument("missing rule")
        keys = set(_match_keys(rule))
        for other in self.all():
            if other.sip_dispatch_rule_id != rule_id and keys & set(_match_keys(other)):
                raise invalid_argument(
                    "Dispatch rule for the same trunk, inbound number, number, and PIN combination "
                    "already exists in dispatch rule "
                    f'"{other.sip_dispatch_rule_id}" "{other.name}"'
                )
        rule.sip_dispatch_rule_id = rule_id
        rule.updated_at.GetCurrentTime()
        if not rule.HasField("created_at"):
            rule.created_at.CopyFrom(rule.updated_at)
        self.store.put(RULES_TABLE, rule_id, MessageToDict(rule, preserving_proto_field_name=True))
        return rule

    # --- matching an inbound call ---

    def match_trunk(self, *, caller: str, called: str) -> sip.SIPInboundTrunkInfo | None:
        """Return the trunk of an inbound call, or None.

        A trunk that names the called number is preferred to one that accepts every number.
        """
        wildcard = None
        for trunk in self.trunks.all_inbound():
            # Trunks compare numbers in any format, unlike rules.
            allowed_callers = map(normalize_number, trunk.allowed_numbers)
            if trunk.allowed_numbers and normalize_number(caller) not in allowed_callers:
                continue
            if normalize_number(called) in map(normalize_number, trunk.numbers):
                return trunk
            if not trunk.numbers:
                wildcard = wildcard or trunk
        return wildcard

    def match_rule(
        self, trunk_id: str, *, caller: str, called: str, pin: str
    ) -> sip.SIPDispatchRuleInfo | None:
        """Return the most specific matching rule, or None.

        Like LiveKit, this compares numbers verbatim.
        """
        matching = [
            rule
            for rule in self.all()
            if (not rule.trunk_ids or trunk_id in rule.trunk_ids)
            and (not rule.inbound_numbers or caller in rule.inbound_numbers)
            and (not rule.numbers or called in rule.numbers)
            and _pin(rule) == pin
        ]
        return max(matching, key=_specificity, default=None)


def room_name_for(rule: sip.SIPDispatchRule, *, caller: str, called: str) -> str:
    """Return the name of the room that the rule sends a call to."""
    kind = rule.WhichOneof("rule")
    if kind == "dispatch_rule_direct":
        return rule.dispatch_rule_direct.room_name
    if kind == "dispatch_rule_callee":
        parts = [rule.dispatch_rule_callee.room_prefix, called]
        return _join_parts(*parts, random_name(12) if rule.dispatch_rule_callee.randomize else "")
    individual = rule.dispatch_rule_individual
    return _join_parts(
        individual.room_prefix, caller, "" if individual.no_randomness else random_name(12)
    )


def _matches_filters(
    rule: sip.SIPDispatchRuleInfo, request: sip.ListSIPDispatchRuleRequest
) -> bool:
    """Apply the filters of the List method. A rule without trunks matches every trunk."""
    ids = request.dispatch_rule_ids
    if ids and rule.sip_dispatch_rule_id not in ids:
        return False
    if not request.trunk_ids or not rule.trunk_ids:
        return True
    return bool(set(rule.trunk_ids) & set(request.trunk_ids))


def _specificity(rule: sip.SIPDispatchRuleInfo) -> tuple[bool, bool, bool]:
    return bool(rule.trunk_ids), bool(rule.numbers), bool(rule.inbound_numbers)


def _join_parts(*parts: str) -> str:
    return "_".join(part for part in parts if part)


def _pin(rule: sip.SIPDispatchRuleInfo) -> str:
    kind = rule.rule.WhichOneof("rule")
    return str(getattr(getattr(rule.rule, kind), "pin", "")) if kind else ""


def _match_keys(rule: sip.SIPDispatchRuleInfo) -> Iterator[tuple[str, ...]]:
    """Yield every combination of trunk, caller, called number and PIN that the rule matches.

    An empty list matches as one wildcard.
    """
    return product(
        rule.trunk_ids or [""], rule.inbound_numbers or [""], rule.numbers or [""], [_pin(rule)]
    )


def _from_legacy(request: sip.CreateSIPDispatchRuleRequest) -> sip.SIPDispatchRuleInfo:
    """Build a rule from the top-level fields that older clients send."""
    rule = sip.SIPDispatchRuleInfo(
        rule=request.rule, room_config=request.room_config, attributes=request.attributes
    )
    values: dict[str, Any] = {name: getattr(request, name) for name in LEGACY_FIELDS}
    rule.MergeFrom(sip.SIPDispatchRuleInfo(**values))
    return rule
