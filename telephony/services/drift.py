"""Differences between our rows and what LiveKit has, in sentences; and putting LiveKit right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.trunks import (
    ExistingTrunks,
    TrunkConfig,
    inbound_info,
    outbound_info,
    rule_info,
)
from telephony.models import PhoneNumber, SipTrunk
from telephony.services.numbers import record_trunks
from telephony.services.trunk_config import config_of_number, config_of_trunk, livekit_tag
from voiceops.core.errors import StateForbids

LIVEKIT_TAG_PREFIX = "voiceops:"
Status = SipTrunk.Status


@dataclass(frozen=True)
class DriftedRow:
    """One row that differs."""

    row: PhoneNumber | SipTrunk
    differences: list[str]


def check_number(*, number: PhoneNumber) -> list[str]:
    """What differs at LiveKit, remembered on the row; empty when nothing does. Raises
    ProviderError.
    """
    found = livekit_trunks.find_trunks(livekit_tag(number), [number.phone_number])
    _update_trunk_status(number.trunks.all(), found)
    return _save_drift(number, compare(config_of_number(number), found))


def check_all() -> tuple[list[DriftedRow], list[str]]:
    """Every active number and own trunk against one look at LiveKit, and the ids there that belong
    to no row.

    Raises ProviderError. Ids are of things tagged as ours; another installation in the same LiveKit
    project would have such tags too, so they are shown and never deleted.
    """
    everything = livekit_trunks.find_all_trunks()
    numbers = list(
        PhoneNumber.unscoped.filter(status=PhoneNumber.Status.ACTIVE).select_related(
            "inbound_agent"
        )
    )
    trunks = list(SipTrunk.unscoped.filter(phone_number=None))
    _update_trunk_status(SipTrunk.unscoped.all(), everything)
    drifted = [
        DriftedRow(
            n, _save_drift(n, compare(config_of_number(n), _with_tag(everything, livekit_tag(n))))
        )
        for n in numbers
    ]
    drifted += [
        DriftedRow(t, compare(config_of_trunk(t), _with_tag(everything, livekit_tag(t))))
        for t in trunks
    ]
    ids = PhoneNumber.unscoped.values_list("pk", flat=True)
    known = {f"{LIVEKIT_TAG_PREFIX}{pk}" for pk in (*ids, *(trunk.pk for trunk in trunks))}
    return [d for d in drifted if d.differences], _orphan_ids(everything, known)


def repair_number(*, number: PhoneNumber) -> PhoneNumber:
    """Make LiveKit have what the row says. Raises StateForbids when it is not active,
    ProviderError.
    """
    if number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")
    record_trunks(number, livekit_trunks.apply_trunks(config_of_number(number)))
    _save_drift(number, [])
    return number


def compare(line: TrunkConfig, found: ExistingTrunks) -> list[str]:
    """The differences in words; secrets are compared, never named."""
    parts: list[str] = []
    if line.outbound:
        wanted = outbound_info(line, line.outbound, next(iter(found.outbound), None))
        parts += _compare_part("outbound trunk", wanted, found.outbound)
    if line.inbound:
        wanted = inbound_info(line, line.inbound, next(iter(found.inbound), None))
        parts += _compare_part("inbound trunk", wanted, found.inbound)
    return parts + _compare_rules(line, found)


def _compare_rules(line: TrunkConfig, found: ExistingTrunks) -> list[str]:
    if line.route is None:
        return (
            ["There is a dispatch rule at LiveKit, though no agent takes calls"]
            if found.rules
            else []
        )
    trunk_id = found.inbound[0].sip_trunk_id if found.inbound else ""
    wanted = rule_info(line, line.route, trunk_id, next(iter(found.rules), None))
    return _compare_part("dispatch rule", wanted, found.rules)


def _compare_part(what: str, wanted: Any, there: Sequence[Any]) -> list[str]:
    if not there:
        return [f"The {what} is missing at LiveKit"]
    sentences = [f"LiveKit has {len(there)} copies of the {what}"] if len(there) > 1 else []
    fields = [
        f.name
        for f in wanted.DESCRIPTOR.fields
        if getattr(wanted, f.name) != getattr(there[0], f.name)
    ]
    if "auth_password" in fields and not there[0].auth_password:
        fields.remove("auth_password")  # a server that keeps it to itself cannot be compared with
    return sentences + [f"The {what} differs in {name.replace('_', ' ')}" for name in fields]


def _save_drift(number: PhoneNumber, differences: list[str]) -> list[str]:
    if number.drift != differences:
        number.drift = differences
        number.save(update_fields=["drift"])
    return differences


def _update_trunk_status(trunks: QuerySet[SipTrunk], found: ExistingTrunks) -> None:
    """Whether LiveKit has them still, as the trunks' own status."""
    there = [trunk.sip_trunk_id for trunk in (*found.outbound, *found.inbound)]
    trunks.filter(livekit_trunk_id__in=there).exclude(status=Status.ACTIVE).update(
        status=Status.ACTIVE
    )
    trunks.exclude(livekit_trunk_id__in=there).exclude(status=Status.MISSING).update(
        status=Status.MISSING
    )


def _with_tag(everything: ExistingTrunks, tag: str) -> ExistingTrunks:
    kinds = (everything.outbound, everything.inbound, everything.rules)
    return ExistingTrunks(
        *(tuple(item for item in items if item.metadata == tag) for items in kinds)
    )


def _orphan_ids(everything: ExistingTrunks, known: set[str]) -> list[str]:
    trunks = [(t.metadata, t.sip_trunk_id) for t in (*everything.outbound, *everything.inbound)]
    rules = [(r.metadata, r.sip_dispatch_rule_id) for r in everything.rules]
    return [
        pk
        for tag, pk in (*trunks, *rules)
        if tag.startswith(LIVEKIT_TAG_PREFIX) and tag not in known
    ]
