"""Differences between our rows and LiveKit's trunks, in sentences; and their repair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts import audit
from accounts.auth.principal import Principal
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.trunks import (
    ExistingTrunks,
    TrunkConfig,
    inbound_info,
    outbound_info,
    rule_info,
)
from telephony.models import PhoneNumber, SipTrunk
from telephony.services.trunk_config import (
    LIVEKIT_TAG_PREFIX,
    config_of_number,
    config_of_trunk,
    livekit_tag,
)
from telephony.services.trunk_rows import record_trunks
from voiceops.core.errors import StateForbids

Status = SipTrunk.Status


@dataclass(frozen=True)
class DriftedRow:
    """A number or trunk that differs from what LiveKit has."""

    row: PhoneNumber | SipTrunk
    differences: list[str]


def check_number(*, number: PhoneNumber) -> list[str]:
    """Compare a number with LiveKit, save the differences on its row and return them.

    Raises ProviderError.
    """
    existing = livekit_trunks.find_trunks(livekit_tag(number), [number.phone_number])
    _update_trunk_status(number.trunks.all(), existing)
    return _save_drift(number, compare(config_of_number(number), existing))


def check_all() -> tuple[list[DriftedRow], list[str]]:
    """Compare every active number and standalone trunk with LiveKit, in one request for all.

    Returns the rows that differ, and the ids at LiveKit that are tagged as ours but belong to no
    row. Another installation in the same LiveKit project would have such tags too, so these ids
    are reported and never deleted. Raises ProviderError.
    """
    # One listing instead of a request per row, which thousands of numbers would make slow.
    everything = livekit_trunks.find_all_trunks()
    _update_trunk_status(SipTrunk.unscoped.all(), everything)
    active = PhoneNumber.unscoped.filter(status=PhoneNumber.Status.ACTIVE)
    standalone = list(SipTrunk.unscoped.filter(phone_number=None))

    checked: list[DriftedRow] = []
    for number in active.select_related("inbound_agent"):
        existing = _with_tag(everything, livekit_tag(number))
        differences = _save_drift(number, compare(config_of_number(number), existing))
        checked.append(DriftedRow(number, differences))
    for trunk in standalone:
        existing = _with_tag(everything, livekit_tag(trunk))
        checked.append(DriftedRow(trunk, compare(config_of_trunk(trunk), existing)))

    # Numbers in every state: what is being made or removed is not orphaned.
    number_ids = PhoneNumber.unscoped.values_list("pk", flat=True)
    known_ids = [*number_ids, *(trunk.pk for trunk in standalone)]
    known_tags = {f"{LIVEKIT_TAG_PREFIX}{pk}" for pk in known_ids}
    drifted = [item for item in checked if item.differences]
    return drifted, _orphan_ids(everything, known_tags)


def repair_number(*, number: PhoneNumber, principal: Principal | None = None) -> PhoneNumber:
    """Make LiveKit match the row, and return the number.

    Raises StateForbids when the number is not active, and ProviderError.
    """
    if number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")
    record_trunks(number, livekit_trunks.apply_trunks(config_of_number(number)))
    _save_drift(number, [])
    audit.record("phone_number.repaired", principal=principal, target=number)
    return number


def compare(config: TrunkConfig, existing: ExistingTrunks) -> list[str]:
    """Return the differences in sentences. Secrets are compared but never named."""
    differences: list[str] = []
    if config.outbound:
        base = next(iter(existing.outbound), None)
        wanted = outbound_info(config, config.outbound, base)
        differences += _compare_part("outbound trunk", wanted, existing.outbound)
    if config.inbound:
        base = next(iter(existing.inbound), None)
        wanted = inbound_info(config, config.inbound, base)
        differences += _compare_part("inbound trunk", wanted, existing.inbound)
    return differences + _compare_rules(config, existing)


def _compare_rules(config: TrunkConfig, existing: ExistingTrunks) -> list[str]:
    if config.route is None:
        if existing.rules:
            return ["LiveKit has a dispatch rule, but no agent answers this number"]
        return []
    trunk_id = existing.inbound[0].sip_trunk_id if existing.inbound else ""
    base = next(iter(existing.rules), None)
    wanted = rule_info(config, config.route, trunk_id, base)
    return _compare_part("dispatch rule", wanted, existing.rules)


def _compare_part(part: str, wanted: Any, existing: Sequence[Any]) -> list[str]:
    if not existing:
        return [f"The {part} is missing at LiveKit"]

    first = existing[0]
    names = [field.name for field in wanted.DESCRIPTOR.fields]
    differing = [name for name in names if getattr(wanted, name) != getattr(first, name)]
    # Some servers do not return passwords; without one there is nothing to compare.
    if "auth_password" in differing and not first.auth_password:
        differing.remove("auth_password")

    sentences = [f"The {part} differs in {name.replace('_', ' ')}" for name in differing]
    if len(existing) > 1:
        sentences.insert(0, f"LiveKit has {len(existing)} copies of the {part}")
    return sentences


def _save_drift(number: PhoneNumber, differences: list[str]) -> list[str]:
    if number.drift != differences:
        number.drift = differences
        number.save(update_fields=["drift"])
    return differences


def _update_trunk_status(trunks: QuerySet[SipTrunk], existing: ExistingTrunks) -> None:
    """Mark each trunk as active or missing, by whether LiveKit still has it."""
    ids = [trunk.sip_trunk_id for trunk in (*existing.outbound, *existing.inbound)]
    found = trunks.filter(livekit_trunk_id__in=ids)
    missing = trunks.exclude(livekit_trunk_id__in=ids)
    found.exclude(status=Status.ACTIVE).update(status=Status.ACTIVE)
    missing.exclude(status=Status.MISSING).update(status=Status.MISSING)


def _with_tag(everything: ExistingTrunks, tag: str) -> ExistingTrunks:
    def tagged(items: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(item for item in items if item.metadata == tag)

    return ExistingTrunks(
        tagged(everything.outbound), tagged(everything.inbound), tagged(everything.rules)
    )


def _orphan_ids(everything: ExistingTrunks, known_tags: set[str]) -> list[str]:
    trunks = [*everything.outbound, *everything.inbound]
    tagged_ids = [(trunk.metadata, trunk.sip_trunk_id) for trunk in trunks]
    tagged_ids += [(rule.metadata, rule.sip_dispatch_rule_id) for rule in everything.rules]
    return [
        found_id
        for tag, found_id in tagged_ids
        if tag.startswith(LIVEKIT_TAG_PREFIX) and tag not in known_tags
    ]
