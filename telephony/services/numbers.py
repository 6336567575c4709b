"""Phone numbers: registered, changed, removed. The row comes first and says what is going on at the
providers.

PROVISIONING   reserved; somebody is making its trunks right now
ACTIVE         everything is made
ERROR          condemned: to be removed, and what is left of it at a provider could not be deleted
yet

No transaction is open while LiveKit or Twilio is asked. A registration that dies in the middle
leaves a row that `clean_provisioning` finds, and everything at the providers carries the row's id,
so that it can be taken away.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from django.db import IntegrityError, transaction

from accounts.models import Workspace
from agents.models import Agent
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.errors import is_outcome_unknown
from telephony.models import NumberPace, PhoneNumber, Provider, SipTrunk
from telephony.services import purchase
from telephony.services.trunk_config import (
    SipSettings,
    config_of_number,
    decrypt_password,
    encrypt_password,
    livekit_tag,
)
from voiceops.core.clock import database_now
from voiceops.core.errors import Conflict, NotFound, ProviderError, StateForbids
from voiceops.core.extension_points import ExtensionPoint

Status = PhoneNumber.Status
Direction = SipTrunk.TrunkDirection
PROVISIONING_TIMEOUT = timedelta(minutes=15)  # longer than all steps and their timeouts together
ALREADY_REGISTERED = "Phone number already registered"
SIP_FIELDS = (
    "sip_address",
    "sip_transport",
    "sip_auth_username",
    "sip_auth_password",
    "allowed_addresses",
    "headers",
)

NumberUseCheck: TypeAlias = Callable[[PhoneNumber], bool]
NUMBER_USE_CHECKS: ExtensionPoint[NumberUseCheck] = ExtensionPoint("checks of a number in use")


@dataclass(frozen=True)
class NumberOrder:
    """A number to be registered. Without `sip` it must be Twilio's, and Twilio is connected to
    LiveKit.
    """

    phone_number: str
    label: str = ""
    provider: str = Provider.SIP
    sip: SipSettings | None = None
    inbound_agent: Agent | None = None
    calls_per_second: float = 1.0
    max_concurrent_calls: int = 10
    buy: bool = False


def register_number(*, workspace: Workspace, order: NumberOrder) -> PhoneNumber:
    """The active number, with everything made at Twilio (where it is theirs to make) and LiveKit.

    Raises Conflict when a trunk for it exists in any workspace, ProviderError when a provider
    refused or could not be reached; nothing is left behind then.
    """
    if order.sip is None:
        purchase.require_account()
    number = _reserve_number(workspace, order)
    with _undo_on_failure(number):
        if order.sip is None:
            purchase.connect_number(number=number, buy=order.buy)
        with conflicts_as_refusals():
            made = livekit_trunks.apply_trunks(config_of_number(number))
        _activate_number(number, made)
    return number


def change_number(*, number: PhoneNumber, changes: dict[str, Any]) -> PhoneNumber:
    """The number with `changes` (names of its columns, the password in the clear), at LiveKit too,
    in place.

    Raises StateForbids when it is not active or Twilio's own settings would be changed, NotFound
    when it was removed meanwhile, ProviderError.
    """
    if number.status != Status.ACTIVE:
        raise StateForbids("Phone number is not active")
    changes = _drop_unchanged(number, changes)
    if not changes:
        return number
    if number.provider_sids and changes.keys() & set(SIP_FIELDS):
        raise StateForbids(
            "The SIP settings of a number connected through Twilio are not ours to change"
        )
    before = config_of_number(number)
    for name, value in changes.items():
        setattr(
            number, name, encrypt_password(number, value) if name == "sip_auth_password" else value
        )
    after = config_of_number(number)
    made = livekit_trunks.change_trunks(before, after) if after != before else None
    values = {name: getattr(number, name) for name in changes}
    with transaction.atomic():
        kept = PhoneNumber.unscoped.filter(pk=number.pk, status=Status.ACTIVE).update(**values)
        if kept and made is not None:
            record_trunks(number, made)
    if made is not None:
        _reapply_until_unchanged(number, after)
    if not kept:
        raise NotFound("Phone number not found")
    return number


def _reapply_until_unchanged(number: PhoneNumber, line: livekit_trunks.TrunkConfig) -> None:
    """Who changed or removed the number at the same time wrote at LiveKit without knowing of us:
    the row decides.
    """
    active = PhoneNumber.unscoped.select_related("inbound_agent").filter(
        pk=number.pk, status=Status.ACTIVE
    )
    while now := active.first():
        if (wanted := config_of_number(now)) == line:
            return
        record_trunks(now, livekit_trunks.apply_trunks(wanted))
        line = wanted
    livekit_trunks.remove_trunks(line.tag, line.numbers)


def _drop_unchanged(number: PhoneNumber, changes: dict[str, Any]) -> dict[str, Any]:
    """Without what is so already: who read a number may send all of it back."""
    now = {name: getattr(number, name) for name in changes} | {
        "sip_auth_password": decrypt_password(number)
    }
    return {name: value for name, value in changes.items() if value != now[name]}


def record_trunks(number: PhoneNumber, made: livekit_trunks.TrunkIds) -> None:
    """Write down which trunks and rule LiveKit has for the number now."""
    with transaction.atomic():
        number.dispatch_rule_id = made.rule_id
        number.save(update_fields=["dispatch_rule_id"])
        _save_trunk_rows(number, made)


def remove_number(*, number: PhoneNumber) -> None:
    """Take away what was made at LiveKit and Twilio (a number we bought is released), then the row.

    Raises StateForbids while a running batch or a live call uses it, ProviderError when a provider
    could not be asked; the number is out of use then, and removing it is tried again until it is
    done.
    """
    with transaction.atomic():
        list(
            NumberPace.unscoped.select_for_update().filter(number=number)
        )  # claims wait for this lock
        if number.calls.open().exists() or any(
            is_in_use(number) for is_in_use in NUMBER_USE_CHECKS.all()
        ):
            raise StateForbids("Phone number is in use")
        PhoneNumber.unscoped.filter(pk=number.pk).update(status=Status.ERROR)
    _remove_everywhere(number)


def detach_agent(agent: Agent) -> None:
    """Take the agent off the numbers it answers, so that it gets no more of their calls."""
    agent.inbound_numbers.update(inbound_agent=None)


def clean_provisioning(*, limit: int = 100) -> int:
    """Finish what was interrupted: take away condemned numbers, and reservations nobody works on.
    Returns how many.

    A number whose provider cannot be reached stays for the next time; any `limit` of them are
    tried.
    """
    stale = PhoneNumber.unscoped.filter(
        status=Status.PROVISIONING, created_at__lt=database_now() - PROVISIONING_TIMEOUT
    )
    stale.update(status=Status.ERROR)
    cleaned = 0
    for number in PhoneNumber.unscoped.filter(status=Status.ERROR).order_by("?")[:limit]:
        try:
            _remove_everywhere(number)
        except ProviderError as error:
            PhoneNumber.unscoped.filter(pk=number.pk).update(drift=[str(error)])
        else:
            cleaned += 1
    return cleaned


def require_unused(phone_number: str, *, except_for: PhoneNumber | SipTrunk | None = None) -> None:
    """Raises Conflict when a number or a trunk of any workspace has it already, besides one."""
    numbers = PhoneNumber.unscoped.filter(phone_number=phone_number)
    trunks = SipTrunk.unscoped.filter(numbers__icontains=f'"{phone_number}"')
    own = [except_for.pk] if except_for else []
    if numbers.exclude(pk__in=own).exists() or trunks.exclude(pk__in=own).exists():
        raise Conflict(ALREADY_REGISTERED)


@contextmanager
def conflicts_as_refusals() -> Iterator[None]:
    """Who comes a moment too late may hear so from LiveKit, before there is a row to see: Conflict
    all the same.
    """
    try:
        yield
    except ProviderError as error:
        if livekit_trunks.is_conflict(error):
            raise Conflict(ALREADY_REGISTERED) from error
        raise


def _reserve_number(workspace: Workspace, order: NumberOrder) -> PhoneNumber:
    condemned = PhoneNumber.unscoped.filter(
        phone_number=order.phone_number, status=Status.ERROR
    ).first()
    if condemned is not None:
        _remove_everywhere(condemned)
    require_unused(order.phone_number)
    number = PhoneNumber(
        workspace=workspace,
        phone_number=order.phone_number,
        label=order.label,
        provider=order.provider,
        inbound_agent=order.inbound_agent,
        calls_per_second=order.calls_per_second,
        max_concurrent_calls=order.max_concurrent_calls,
    )
    sip = order.sip or purchase.twilio_termination(number)
    number.sip_address, number.sip_transport = sip.address, sip.transport
    number.sip_auth_username = sip.auth_username
    number.sip_auth_password = encrypt_password(number, sip.auth_password)
    number.allowed_addresses, number.headers = list(sip.allowed_addresses), sip.headers
    number.provider_sids = (
        {} if order.sip else {"bought": order.buy}
    )  # from here on Twilio is looked at in an undo
    try:
        with transaction.atomic():
            number.save()
        require_unused(
            order.phone_number, except_for=number
        )  # once more: a trunk of somebody's own may have come meanwhile
    except IntegrityError as error:
        raise Conflict(ALREADY_REGISTERED) from error
    except Conflict:
        PhoneNumber.unscoped.filter(pk=number.pk).delete()
        raise
    return number


@contextmanager
def _undo_on_failure(number: PhoneNumber) -> Iterator[None]:
    """Whatever goes wrong inside, nothing half-made stays. What cannot be undone now
    `clean_provisioning` will undo.
    """
    try:
        yield
    except BaseException as failure:
        PhoneNumber.unscoped.filter(pk=number.pk).update(status=Status.ERROR)
        try:
            _remove_everywhere(number, maybe_created=is_outcome_unknown(failure))
        except ProviderError as error:
            PhoneNumber.unscoped.filter(pk=number.pk).update(drift=[str(error)])
        raise


def _remove_everywhere(number: PhoneNumber, *, maybe_created: bool = False) -> None:
    """The reverse of a registration, from any point of it, as often as needed. Raises
    ProviderError.
    """
    livekit_trunks.remove_trunks(
        livekit_tag(number), [number.phone_number], maybe_created=maybe_created
    )
    if number.provider == Provider.TWILIO and number.provider_sids:
        purchase.disconnect_number(number=number)
    PhoneNumber.unscoped.filter(pk=number.pk).delete()


def _activate_number(number: PhoneNumber, made: livekit_trunks.TrunkIds) -> None:
    with transaction.atomic():
        mine = PhoneNumber.unscoped.filter(pk=number.pk, status=Status.PROVISIONING)
        if not mine.update(status=Status.ACTIVE, dispatch_rule_id=made.rule_id):
            raise StateForbids("Phone number was removed while it was being registered")
        number.status, number.dispatch_rule_id = Status.ACTIVE, made.rule_id
        NumberPace.unscoped.create(number=number, workspace=number.workspace)
        _save_trunk_rows(number, made)


def _save_trunk_rows(number: PhoneNumber, made: livekit_trunks.TrunkIds) -> None:
    """Our rows for the two trunks at LiveKit. Their password stays with the number."""
    ids = {Direction.OUTBOUND: made.outbound_id, Direction.INBOUND: made.inbound_id}
    for direction, livekit_trunk_id in ids.items():
        SipTrunk.unscoped.update_or_create(
            phone_number=number,
            direction=direction,
            defaults={
                "workspace": number.workspace,
                "livekit_trunk_id": livekit_trunk_id,
                "address": number.sip_address if direction == Direction.OUTBOUND else "",
                "transport": number.sip_transport,
                "auth_username": number.sip_auth_username
                if direction == Direction.OUTBOUND
                else "",
                "numbers": [number.phone_number],
                "allowed_addresses": number.allowed_addresses
                if direction == Direction.INBOUND
                else [],
                "status": SipTrunk.Status.ACTIVE,
            },
        )
