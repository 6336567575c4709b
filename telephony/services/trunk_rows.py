"""Our rows for the trunks that LiveKit has, and the rule that a number belongs to one row only."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from telephony.clients.livekit import trunks as livekit_trunks
from telephony.models import PhoneNumber, SipTrunk
from voiceops.core.errors import Conflict, ProviderError

Direction = SipTrunk.TrunkDirection
ALREADY_REGISTERED = "Phone number already registered"


def require_unused(phone_number: str, *, except_for: PhoneNumber | SipTrunk | None = None) -> None:
    """Check that no number and no trunk of any workspace has the number, except for one row.

    Raises Conflict when another row has it.
    """
    numbers = PhoneNumber.unscoped.filter(phone_number=phone_number)
    # SQLite can search a JSON list only as text; the quotes make it match whole numbers.
    trunks = SipTrunk.unscoped.filter(numbers__icontains=f'"{phone_number}"')
    own = [except_for.pk] if except_for else []
    if numbers.exclude(pk__in=own).exists() or trunks.exclude(pk__in=own).exists():
        raise Conflict(ALREADY_REGISTERED)


@contextmanager
def conflicts_as_refusals() -> Iterator[None]:
    """Turn LiveKit's refusal of a number that another trunk has into our own.

    Of two simultaneous registrations the later one may learn of the other from LiveKit, before
    there is a row to find. Raises Conflict then, and ProviderError for every other failure.
    """
    try:
        yield
    except ProviderError as error:
        if livekit_trunks.is_conflict(error):
            raise Conflict(ALREADY_REGISTERED) from error
        raise


def record_trunks(number: PhoneNumber, trunk_ids: livekit_trunks.TrunkIds) -> None:
    """Store the ids of the trunks and the dispatch rule that LiveKit has for the number now."""
    with transaction.atomic():
        number.dispatch_rule_id = trunk_ids.rule_id
        number.save(update_fields=["dispatch_rule_id"])
        save_trunk_rows(number, trunk_ids)


def save_trunk_rows(number: PhoneNumber, trunk_ids: livekit_trunks.TrunkIds) -> None:
    """Create or update the rows of the number's trunks. The password stays with the number."""
    shared = {
        "workspace": number.workspace,
        "transport": number.sip_transport,
        "numbers": [number.phone_number],
        "status": SipTrunk.Status.ACTIVE,
    }
    outbound = {
        "livekit_trunk_id": trunk_ids.outbound_id,
        "address": number.sip_address,
        "auth_username": number.sip_auth_username,
        "allowed_addresses": [],
    }
    inbound = {
        "livekit_trunk_id": trunk_ids.inbound_id,
        "address": "",
        "auth_username": "",
        "allowed_addresses": number.allowed_addresses,
    }
    for direction, own in ((Direction.OUTBOUND, outbound), (Direction.INBOUND, inbound)):
        SipTrunk.unscoped.update_or_create(
            phone_number=number, direction=direction, defaults={**shared, **own}
        )
