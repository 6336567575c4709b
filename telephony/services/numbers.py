"""Phone numbers: registered, changed and removed at the providers and here.

The row is written first; its status says what is going on:

PROVISIONING   reserved; its trunks are being made
ACTIVE         everything is made
ERROR          to be removed; something at a provider could not be deleted yet

No transaction is open while LiveKit or Twilio is asked. A registration that is interrupted leaves
a row that `clean_provisioning` finds. Everything at the providers carries the row's id, so that it
can be found and removed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents.models import Agent
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.errors import is_outcome_unknown
from telephony.models import NumberPace, PhoneNumber, Provider
from telephony.services import purchase
from telephony.services.sip_headers import SEALED_HEADERS_COLUMN, load_headers, store_headers
from telephony.services.trunk_config import (
    SipSettings,
    config_of_number,
    decrypt_password,
    encrypt_password,
    livekit_tag,
)
from telephony.services.trunk_rows import (
    ALREADY_REGISTERED,
    conflicts_as_refusals,
    record_trunks,
    require_unused,
    save_trunk_rows,
)
from voiceops.core.clock import database_now
from voiceops.core.errors import Conflict, NotFound, ProviderError, StateForbids
from voiceops.core.extension_points import ExtensionPoint

Status = PhoneNumber.Status
PROVISIONING_TIMEOUT = timedelta(minutes=15)  # longer than all steps with their timeouts
SIP_FIELDS = (
    "sip_address",
    "sip_transport",
    "sip_auth_username",
    "sip_auth_password",
    "allowed_addresses",
    "headers",
    "dial_format",
    "dial_prefix",
    "codecs",
)

NumberUseCheck: TypeAlias = Callable[[PhoneNumber], bool]
NUMBER_USE_CHECKS: ExtensionPoint[NumberUseCheck] = ExtensionPoint("checks of a number in use")


@dataclass(frozen=True)
class NumberOrder:
    """A number to register.

    Without `sip` it must be a number at Twilio, and Twilio is connected to LiveKit.
    """

    phone_number: str
    label: str = ""
    provider: str = Provider.SIP
    sip: SipSettings | None = None
    inbound_agent: Agent | None = None
    calls_per_second: float = 1.0
    max_concurrent_calls: int = 10
    buy: bool = False


@contextmanager
def _repeatable_failures() -> Iterator[None]:
    """Let a registration that a provider failed be tried again under its `Idempotency-Key`.

    What a failed undo has left is taken over by the next registration of the number.
    """
    try:
        yield
    except ProviderError as error:
        error.is_repeatable = True
        raise


@_repeatable_failures()
def register_number(
    *, workspace: Workspace, order: NumberOrder, principal: Principal | None = None
) -> PhoneNumber:
    """Register a number with its trunks at LiveKit, and at Twilio where they are needed.

    Returns the active number. Raises Conflict when any workspace has a trunk for the number, and
    ProviderError when a provider refused or could not be reached; nothing is left behind then.
    """
    # Before the row is written, because without an account there is nothing to undo.
    if order.sip is None:
        purchase.require_account()

    number = _reserve_number(workspace, order)
    with _undo_on_failure(number):
        if order.sip is None:
            purchase.connect_number(number=number, buy=order.buy)
        with conflicts_as_refusals():
            trunk_ids = livekit_trunks.apply_trunks(config_of_number(number))
        _activate_number(number, trunk_ids)

    details = {"phone_number": number.phone_number, "bought": order.buy}
    audit.record("phone_number.created", principal=principal, target=number, changes=details)
    return number


def change_number(
    *, number: PhoneNumber, changes: dict[str, Any], principal: Principal | None = None
) -> PhoneNumber:
    """Change columns of an active number, and its trunks at LiveKit in place.

    `changes` maps columns to values, the password in clear text. Raises StateForbids when the
    number is not active or its SIP settings are Twilio's, NotFound when it was removed meanwhile,
    and ProviderError.
    """
    if number.status != Status.ACTIVE:
        raise StateForbids("Phone number is not active")

    effective = _drop_unchanged(number, changes)
    if effective:
        _apply_changes(number, effective)

    details = {"changed": sorted(changes)}
    audit.record("phone_number.changed", principal=principal, target=number, changes=details)
    return number


def remove_number(*, number: PhoneNumber, principal: Principal | None = None) -> None:
    """Remove what was made at LiveKit and Twilio, then the row. A number we bought is released.

    Raises StateForbids while a running batch or an open call uses it, and ProviderError when a
    provider could not be asked. The number is out of use then, and `clean_provisioning` tries
    again until it is removed.
    """
    with transaction.atomic():
        # Reservations of calls wait for this lock, so that none begins after the check.
        list(NumberPace.unscoped.select_for_update().filter(number=number))
        if _is_in_use(number):
            raise StateForbids("Phone number is in use")
        _mark_for_removal(number)
    # Outside the transaction, because the providers are asked.
    _remove_everywhere(number)

    details = {"phone_number": number.phone_number}
    audit.record("phone_number.deleted", principal=principal, target=number, changes=details)


def detach_agent(agent: Agent) -> None:
    """Take the agent off the numbers it answers, so that it gets no more of their calls."""
    agent.inbound_numbers.update(inbound_agent=None)


def clean_provisioning(*, limit: int = 100) -> int:
    """Remove numbers whose registration or removal was interrupted; returns how many.

    Tries at most `limit` numbers in random order. One whose provider cannot be reached waits for
    the next round, with the reason in `drift`.
    """
    started_before = database_now() - PROVISIONING_TIMEOUT
    PhoneNumber.unscoped.filter(status=Status.PROVISIONING, created_at__lt=started_before).update(
        status=Status.ERROR
    )

    cleaned = 0
    # In random order, so that numbers of an unreachable provider do not block the others.
    for number in PhoneNumber.unscoped.filter(status=Status.ERROR).order_by("?")[:limit]:
        try:
            _remove_everywhere(number)
        except ProviderError as error:
            _record_failure(number, error)
        else:
            cleaned += 1
    return cleaned


def _is_in_use(number: PhoneNumber) -> bool:
    if number.calls.open().exists():
        return True
    return any(is_in_use(number) for is_in_use in NUMBER_USE_CHECKS.all())


def _drop_unchanged(number: PhoneNumber, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes that change something: clients may send back all that they have read."""
    current = {name: getattr(number, name) for name in changes}
    current["sip_auth_password"] = decrypt_password(number)
    current["headers"] = load_headers(number)
    return {name: value for name, value in changes.items() if value != current[name]}


def _apply_changes(number: PhoneNumber, changes: dict[str, Any]) -> None:
    if number.provider_sids and changes.keys() & set(SIP_FIELDS):
        raise StateForbids(
            "The SIP settings of a number connected through Twilio cannot be changed"
        )

    before = config_of_number(number)
    columns = _set_columns(number, changes)
    after = config_of_number(number)
    # LiveKit first: a change that it refuses must not reach the row.
    trunk_ids = livekit_trunks.replace_trunks(before, after) if after != before else None

    values = {name: getattr(number, name) for name in columns}
    with transaction.atomic():
        still_active = PhoneNumber.unscoped.filter(pk=number.pk, status=Status.ACTIVE)
        is_saved = bool(still_active.update(**values))
        if is_saved and trunk_ids is not None:
            record_trunks(number, trunk_ids)
    if trunk_ids is not None:
        _reapply_until_unchanged(number, after)
    if not is_saved:
        raise NotFound("Phone number not found")


def _set_columns(number: PhoneNumber, changes: dict[str, Any]) -> set[str]:
    """Set the changes on the instance, secrets encrypted; returns the columns to write."""
    columns = set(changes)
    for name, value in changes.items():
        if name == "headers":
            store_headers(number, value)
            columns.add(SEALED_HEADERS_COLUMN)
        elif name == "sip_auth_password":
            number.sip_auth_password = encrypt_password(number, value)
        else:
            setattr(number, name, value)
    return columns


def _reapply_until_unchanged(number: PhoneNumber, applied: livekit_trunks.TrunkConfig) -> None:
    """Make LiveKit follow the row until the row has not changed since it was read.

    A request that changed or removed the number at the same time wrote to LiveKit without knowing
    of ours, so what LiveKit has last may be neither; the row decides.
    """
    active = PhoneNumber.unscoped.select_related("inbound_agent").filter(
        pk=number.pk, status=Status.ACTIVE
    )
    while current := active.first():
        wanted = config_of_number(current)
        if wanted == applied:
            return
        record_trunks(current, livekit_trunks.apply_trunks(wanted))
        applied = wanted
    livekit_trunks.remove_trunks(applied.tag, applied.numbers)


def _reserve_number(workspace: Workspace, order: NumberOrder) -> PhoneNumber:
    """Write the row that reserves the number. Raises Conflict when it is registered already."""
    to_remove = PhoneNumber.unscoped.filter(
        phone_number=order.phone_number, status=Status.ERROR
    ).first()
    if to_remove is not None:
        _remove_everywhere(to_remove)
    require_unused(order.phone_number)

    number = _build_number(workspace, order)
    try:
        with transaction.atomic():
            number.save()
        # Again: a trunk with this number may have been created since the first check.
        require_unused(order.phone_number, except_for=number)
    except IntegrityError as error:
        raise Conflict(ALREADY_REGISTERED) from error
    except Conflict:
        PhoneNumber.unscoped.filter(pk=number.pk).delete()
        raise
    return number


def _build_number(workspace: Workspace, order: NumberOrder) -> PhoneNumber:
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
    number.sip_address = sip.address
    number.sip_transport = sip.transport
    number.sip_auth_username = sip.auth_username
    number.sip_auth_password = encrypt_password(number, sip.auth_password)
    number.allowed_addresses = list(sip.allowed_addresses)
    store_headers(number, sip.headers)
    number.dial_format = sip.dial_format
    number.dial_prefix = sip.dial_prefix
    number.codecs = list(sip.codecs) if sip.codecs else None
    # A number with provider_sids, even without any id yet, is also removed at Twilio in an undo.
    number.provider_sids = {} if order.sip else {"bought": order.buy}
    return number


@contextmanager
def _undo_on_failure(number: PhoneNumber) -> Iterator[None]:
    """Remove what was made when anything fails inside; `clean_provisioning` does what is left."""
    try:
        yield
    except BaseException as failure:
        _mark_for_removal(number)
        try:
            _remove_everywhere(number, maybe_created=is_outcome_unknown(failure))
        except ProviderError as error:
            _record_failure(number, error)
        raise


def _activate_number(number: PhoneNumber, trunk_ids: livekit_trunks.TrunkIds) -> None:
    with transaction.atomic():
        # Only from PROVISIONING: clean-up may have marked a slow registration for removal.
        provisioning = PhoneNumber.unscoped.filter(pk=number.pk, status=Status.PROVISIONING)
        if not provisioning.update(status=Status.ACTIVE, dispatch_rule_id=trunk_ids.rule_id):
            raise StateForbids("Phone number was removed while it was being registered")
        number.status = Status.ACTIVE
        number.dispatch_rule_id = trunk_ids.rule_id
        NumberPace.unscoped.create(number=number, workspace=number.workspace)
        save_trunk_rows(number, trunk_ids)


def _mark_for_removal(number: PhoneNumber) -> None:
    PhoneNumber.unscoped.filter(pk=number.pk).update(status=Status.ERROR)


def _record_failure(number: PhoneNumber, error: ProviderError) -> None:
    PhoneNumber.unscoped.filter(pk=number.pk).update(drift=[str(error)])


def _remove_everywhere(number: PhoneNumber, *, maybe_created: bool = False) -> None:
    """Reverse a registration from any point of it, as often as needed. Raises ProviderError."""
    livekit_trunks.remove_trunks(
        livekit_tag(number), [number.phone_number], maybe_created=maybe_created
    )
    if number.provider == Provider.TWILIO and number.provider_sids:
        purchase.disconnect_number(number=number)
    # The row goes last: as long as it exists, what is left at a provider is found again.
    PhoneNumber.unscoped.filter(pk=number.pk).delete()
