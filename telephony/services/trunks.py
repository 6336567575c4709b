"""SIP trunks of one's own, beside those that belong to a phone number. LiveKit comes first, then
the row.
"""

from typing import Any

from accounts.models import Workspace
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.errors import is_outcome_unknown
from telephony.models import SipTrunk
from telephony.services.numbers import conflicts_as_refusals, require_unused
from telephony.services.trunk_config import config_of_trunk, encrypt_password, livekit_tag
from voiceops.core.errors import Conflict, ProviderError, StateForbids

Direction = SipTrunk.TrunkDirection


def create_trunk(*, workspace: Workspace, values: dict[str, Any]) -> SipTrunk:
    """The trunk, made at LiveKit; `auth_password` in the clear. Nothing is left of it when LiveKit
    fails.

    Raises Conflict when a number or trunk of any workspace has one of the numbers, ProviderError.
    """
    for number in values["numbers"]:
        require_unused(number)
    trunk = SipTrunk(workspace=workspace, **{**values, "auth_password": ""})
    trunk.auth_password = encrypt_password(trunk, values["auth_password"])
    try:
        with conflicts_as_refusals():
            made = livekit_trunks.apply_trunks(config_of_trunk(trunk))
        trunk.livekit_trunk_id = made.outbound_id or made.inbound_id
        trunk.save()
        for (
            number
        ) in trunk.numbers:  # once more: of two that came at once, neither saw the other before
            require_unused(number, except_for=trunk)
    except BaseException as failure:
        SipTrunk.unscoped.filter(pk=trunk.pk).delete()
        _remove_leftovers(trunk, maybe_created=is_outcome_unknown(failure))
        raise
    return trunk


def change_trunk(*, trunk: SipTrunk, changes: dict[str, Any]) -> SipTrunk:
    """The trunk with `changes`, at LiveKit first and in place. Raises StateForbids, Conflict,
    ProviderError.
    """
    _require_standalone(trunk)
    added = set(changes.get("numbers", ())) - set(trunk.numbers)
    for number in added:
        require_unused(number)
    before, values = config_of_trunk(trunk), {name: getattr(trunk, name) for name in changes}
    if "auth_password" in changes:
        changes = {**changes, "auth_password": encrypt_password(trunk, changes["auth_password"])}
    for name, value in changes.items():
        setattr(trunk, name, value)
    with conflicts_as_refusals():
        made = livekit_trunks.change_trunks(before, config_of_trunk(trunk))
    _save_changes(trunk, made, changes)
    try:
        for number in added:  # once more, as when a trunk is made
            require_unused(number, except_for=trunk)
    except Conflict:
        _save_changes(trunk, livekit_trunks.change_trunks(config_of_trunk(trunk), before), values)
        raise
    return trunk


def _save_changes(trunk: SipTrunk, made: livekit_trunks.TrunkIds, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(trunk, name, value)
    trunk.livekit_trunk_id = made.outbound_id or made.inbound_id
    trunk.status = SipTrunk.Status.ACTIVE
    trunk.save(update_fields=[*values, "livekit_trunk_id", "status"])


def remove_trunk(*, trunk: SipTrunk) -> None:
    """Take it away at LiveKit, then here. Raises StateForbids for a phone number's trunk,
    ProviderError.
    """
    _require_standalone(trunk)
    livekit_trunks.remove_trunks(livekit_tag(trunk), trunk.numbers)
    trunk.delete()


def _require_standalone(trunk: SipTrunk) -> None:
    if trunk.phone_number_id is not None:
        raise StateForbids("SIP trunk belongs to a phone number")


def _remove_leftovers(trunk: SipTrunk, *, maybe_created: bool) -> None:
    """Best effort: a trunk of ours that stays at LiveKit without a row is shown by `manage.py
    doctor`.
    """
    try:
        livekit_trunks.remove_trunks(livekit_tag(trunk), trunk.numbers, maybe_created=maybe_created)
    except ProviderError:
        return
