"""Standalone SIP trunks, beside those that belong to a phone number: made at LiveKit, then here."""

from collections.abc import Iterable
from typing import Any

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.errors import is_outcome_unknown
from telephony.models import SipTrunk
from telephony.services.trunk_config import config_of_trunk, encrypt_password, livekit_tag
from telephony.services.trunk_rows import conflicts_as_refusals, require_unused
from voiceops.core.errors import Conflict, ProviderError, StateForbids


def create_trunk(
    *, workspace: Workspace, values: dict[str, Any], principal: Principal | None = None
) -> SipTrunk:
    """Create a trunk at LiveKit and here, and return it. `auth_password` comes in clear text.

    Raises Conflict when a number or trunk of any workspace has one of the numbers, and
    ProviderError when LiveKit failed; nothing is left behind then.
    """
    _require_all_unused(values["numbers"])
    trunk = SipTrunk(workspace=workspace, **{**values, "auth_password": ""})
    trunk.auth_password = encrypt_password(trunk, values["auth_password"])

    try:
        with conflicts_as_refusals():
            trunk_ids = livekit_trunks.apply_trunks(config_of_trunk(trunk))
        trunk.livekit_trunk_id = trunk_ids.outbound_id or trunk_ids.inbound_id
        trunk.save()
        # Again: of two simultaneous requests, neither saw the other's row before.
        _require_all_unused(trunk.numbers, except_for=trunk)
    except BaseException as failure:
        SipTrunk.unscoped.filter(pk=trunk.pk).delete()
        _remove_leftovers(trunk, maybe_created=is_outcome_unknown(failure))
        raise

    audit.record("sip_trunk.created", principal=principal, target=trunk)
    return trunk


def change_trunk(
    *, trunk: SipTrunk, changes: dict[str, Any], principal: Principal | None = None
) -> SipTrunk:
    """Change a trunk in place, at LiveKit first, and return it.

    Raises StateForbids for the trunk of a phone number, Conflict when a number or trunk of any
    workspace has one of the added numbers, and ProviderError.
    """
    _require_standalone(trunk)
    added = set(changes.get("numbers", ())) - set(trunk.numbers)
    _require_all_unused(added)

    before = config_of_trunk(trunk)
    old_values = {name: getattr(trunk, name) for name in changes}
    new_values = dict(changes)
    if "auth_password" in new_values:
        new_values["auth_password"] = encrypt_password(trunk, new_values["auth_password"])
    for name, value in new_values.items():
        setattr(trunk, name, value)
    after = config_of_trunk(trunk)
    with conflicts_as_refusals():
        trunk_ids = livekit_trunks.replace_trunks(before, after)
    _save_changes(trunk, trunk_ids, new_values)

    try:
        # Again: of two simultaneous requests, neither saw the other's row before.
        _require_all_unused(added, except_for=trunk)
    except Conflict:
        _save_changes(trunk, livekit_trunks.replace_trunks(after, before), old_values)
        raise

    details = {"changed": sorted(changes)}
    audit.record("sip_trunk.changed", principal=principal, target=trunk, changes=details)
    return trunk


def remove_trunk(*, trunk: SipTrunk, principal: Principal | None = None) -> None:
    """Remove a trunk at LiveKit, then here.

    Raises StateForbids for the trunk of a phone number, and ProviderError.
    """
    _require_standalone(trunk)
    livekit_trunks.remove_trunks(livekit_tag(trunk), trunk.numbers)
    # Through a query: `trunk.delete()` would clear the id that the audit log records.
    SipTrunk.unscoped.filter(pk=trunk.pk).delete()
    audit.record("sip_trunk.deleted", principal=principal, target=trunk)


def _require_all_unused(
    phone_numbers: Iterable[str], *, except_for: SipTrunk | None = None
) -> None:
    for phone_number in phone_numbers:
        require_unused(phone_number, except_for=except_for)


def _save_changes(
    trunk: SipTrunk, trunk_ids: livekit_trunks.TrunkIds, values: dict[str, Any]
) -> None:
    for name, value in values.items():
        setattr(trunk, name, value)
    trunk.livekit_trunk_id = trunk_ids.outbound_id or trunk_ids.inbound_id
    trunk.status = SipTrunk.Status.ACTIVE
    trunk.save(update_fields=[*values, "livekit_trunk_id", "status"])


def _require_standalone(trunk: SipTrunk) -> None:
    if trunk.phone_number_id is not None:
        raise StateForbids("SIP trunk belongs to a phone number")


def _remove_leftovers(trunk: SipTrunk, *, maybe_created: bool) -> None:
    """Try to remove a trunk at LiveKit; `manage.py doctor` lists what stays there without a row."""
    try:
        livekit_trunks.remove_trunks(livekit_tag(trunk), trunk.numbers, maybe_created=maybe_created)
    except ProviderError:
        return
