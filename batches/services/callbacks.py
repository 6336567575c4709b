"""Callbacks: scheduled by a client, staff, the agent or a disposition; followed until they end."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents.models import Agent
from agents.services import published_version
from batches.dialing.callbacks import CALLBACK, settle_callbacks
from batches.dialing.calling_windows import CallingRules, opens_at, parse_rules, rules_of
from batches.dialing.number_zones import zone_of_callee
from batches.domain.batch_transitions import RESTART_FOR_CALLBACK
from batches.domain.recipient_transitions import (
    CANCEL_CALLBACK,
    PLAN_CALLBACK,
    PLAN_FIRST_CALLBACK,
)
from batches.models import Batch, Callback, Recipient
from batches.reporting.reasons import explain
from batches.services.batches import HAS_ENDED
from telephony.models import Call, Direction, Stage
from telephony.services.callback_requests import CallbackRequest
from telephony.services.calls import CallOrder, place_call, require_callable, require_variables
from voiceops.core.clock import database_now
from voiceops.core.errors import DomainError, Invalid, StateForbids
from voiceops.core.phone_numbers import to_e164

Status = Callback.Status
CALLBACK_ENDED = "Callback has ended"
IN_THE_PAST = "at lies in the past"
NEVER_OPEN = "The calling window never opens for this number"
# A callee who asked for six o'clock is not served by a call at eight.
MISSED_AFTER = timedelta(hours=1)
PAST_TOLERANCE = timedelta(minutes=1)
FOLLOWED_CALLBACKS = 200
CHANGEABLE_FIELDS = ("phone_number", "remark", "requested_at", "at", "status", "moved_reason")


def schedule_callback(
    *,
    workspace: Workspace,
    at: datetime,
    recipient: Recipient | None = None,
    agent: Agent | None = None,
    phone_number: str | None = None,
    variables: dict[str, Any] | None = None,
    remark: str = "",
    principal: Principal | None = None,
) -> Callback:
    """Plan a call to a recipient, or with an agent to a number (E.164), and return the callback.

    Outside the calling window it is moved to when that opens. One that the recipient waits for
    already is cancelled. Raises Invalid for a time in the past and a number that must not be called
    or can never be called, StateForbids when the batch was stopped or the agent is not published.
    """
    batch = _open_batch_of(recipient) if recipient is not None else None
    agent = batch.agent if batch is not None else agent
    assert agent is not None
    number = phone_number or (recipient.number_to_call if recipient else "")
    require_callable(workspace, number)
    if recipient is None:
        require_variables(published_version(agent), variables or {})
    callback = Callback(
        workspace=workspace,
        batch=batch,
        recipient=recipient,
        agent=agent,
        phone_number=number,
        variables=variables or {},
        requested_at=at,
        remark=remark,
    )
    _place_in_window(callback, at)
    with transaction.atomic():
        _replace_earlier(callback)
        details = {"at": callback.at.isoformat(), "status": callback.status}
        audit.record("callback.scheduled", principal=principal, target=callback, changes=details)
    return callback


def _open_batch_of(recipient: Recipient) -> Batch:
    """Return the recipient's batch. Raises StateForbids when it takes no more calls."""
    batch = Batch.unscoped.select_related("workspace", "agent").get(pk=recipient.batch_id)
    if batch.status in (Batch.Status.STOPPED, Batch.Status.FAILED):
        raise StateForbids(HAS_ENDED)
    return batch


def _replace_earlier(callback: Callback) -> None:
    """Save a callback instead of the one that its recipient waits for, and plan the recipient."""
    if callback.recipient is not None:
        earlier = callback.recipient.callbacks.filter(status__in=Status.active())
        earlier.update(status=Status.CANCELLED, ended_at=database_now())
    callback.save(force_insert=True)
    _plan_recipient(callback)


def schedule_for_call(
    call: Call, *, at: datetime, phone_number: str | None = None, remark: str = ""
) -> Callback:
    """Plan the callback that was agreed on during a call. Raises as `schedule_callback` does."""
    recipient = None
    if call.recipient_id is not None:
        recipient = Recipient.unscoped.filter(pk=call.recipient_id).first()
    return schedule_callback(
        workspace=call.workspace,
        at=at,
        recipient=recipient,
        agent=call.agent,
        phone_number=phone_number or other_party_of(call),
        variables=None if recipient else call.variables,
        remark=remark,
    )


def schedule_reported(call: Call, request: CallbackRequest) -> None:
    """Plan the callback that an agent reports; a time without an offset is the callee's.

    Raises DomainError with the reason why it is not planned.
    """
    try:
        at = datetime.fromisoformat(request.at)
    except ValueError as error:
        raise Invalid(f"{request.at!r} is no date and time") from error
    number = other_party_of(call)
    if request.phone_number:
        number = to_e164(request.phone_number)
    if at.tzinfo is None:
        recipient = Recipient.unscoped.filter(pk__in=[call.recipient_id]).first()
        own_zones = recipient.timezone if recipient else None
        at = at.replace(tzinfo=ZoneInfo(zone_of_callee(number, own_zones, call.workspace.timezone)))
    schedule_for_call(call, at=at, phone_number=number, remark=request.remark)


def other_party_of(call: Call) -> str:
    """Return the number of a call's caller or callee."""
    return call.from_number if call.direction == Direction.INBOUND else call.to_number


def update_callback(
    *, callback: Callback, changes: dict[str, Any], principal: Principal | None = None
) -> Callback:
    """Change the time, number or note of a callback that waits.

    Raises StateForbids for one that has ended or is being dialled, Invalid as when it is scheduled.
    """
    with transaction.atomic():
        locked = Callback.unscoped.select_for_update().get(pk=callback.pk)
        if locked.status not in Status.active():
            raise StateForbids(CALLBACK_ENDED)
        if number := changes.get("phone_number"):
            require_callable(locked.workspace, number)
            locked.phone_number = number
        locked.remark = changes.get("remark", locked.remark)
        locked.requested_at = changes.get("at", locked.requested_at)
        if "at" in changes or "phone_number" in changes:
            _place_in_window(locked, locked.requested_at)
        locked.save(update_fields=CHANGEABLE_FIELDS)
        _plan_recipient(locked)
        details = {"at": locked.at.isoformat(), "status": locked.status}
        audit.record("callback.updated", principal=principal, target=locked, changes=details)
    return locked


def cancel_callback(*, callback: Callback, principal: Principal | None = None) -> None:
    """Cancel a callback that waits; its recipient is called for no other reason than before.

    Raises StateForbids for one that has ended or is being dialled.
    """
    with transaction.atomic():
        active = Callback.unscoped.filter(pk=callback.pk, status__in=Status.active())
        if not active.update(status=Status.CANCELLED, ended_at=database_now()):
            raise StateForbids(CALLBACK_ENDED)
        _forget_callback(callback)
        audit.record("callback.cancelled", principal=principal, target=callback)


def follow_callbacks() -> None:
    """One round over the callbacks: dial those without a recipient, move those that a rule has
    postponed, and report those that were missed.
    """
    now = database_now()
    _settle_dialed(now)
    active = Callback.unscoped.filter(status__in=Status.active(), at__lte=now)
    due = active.select_related("workspace", "agent", "recipient").order_by("at")
    for callback in due[:FOLLOWED_CALLBACKS]:
        if callback.recipient is not None:
            _follow_recipient(callback, callback.recipient, now)
        elif callback.at < now - MISSED_AFTER:
            _miss(callback, now)
        else:
            _dial(callback, now)


def _place_in_window(callback: Callback, at: datetime) -> None:
    """Set `at` inside the calling window, with the reason if that moves it."""
    if at < database_now() - PAST_TOLERANCE:
        raise Invalid(IN_THE_PAST)
    own_zone = callback.recipient.timezone if callback.recipient else None
    opening = opens_at(callback.phone_number, _rules_of(callback), at, own_zone)
    if opening.at is None:
        raise Invalid(NEVER_OPEN)
    callback.at = opening.at
    callback.status, callback.moved_reason = Status.SCHEDULED, None
    if opening.at > at:
        callback.status = Status.MOVED
        callback.moved_reason = _closed_at(at)


def _closed_at(instant: datetime) -> str:
    return f"The calling window is closed at {instant:%Y-%m-%d %H:%M} UTC"


def _rules_of(callback: Callback) -> CallingRules | None:
    if callback.batch is not None:
        return rules_of(callback.batch)
    workspace = callback.workspace
    return parse_rules(
        workspace.limit("calling_window"),
        holidays_country=workspace.holidays_country,
        unknown_zone=workspace.unknown_zone,
        workspace_zone=workspace.timezone,
    )


def _plan_recipient(callback: Callback) -> None:
    """Make the recipient due at the callback's time. One that is being called now is planned by the
    settlement of that call.
    """
    if callback.recipient_id is None:
        return
    changes = {
        "reason": CALLBACK,
        "due_at": callback.at,
        "callback_at": callback.at,
        "unreported_at": None,
    }
    recipient = Recipient.unscoped.filter(pk=callback.recipient_id)
    planned = PLAN_FIRST_CALLBACK.move_all(recipient.filter(attempts=0), **changes)
    planned += PLAN_CALLBACK.move_all(recipient.filter(attempts__gt=0), **changes)
    if planned and callback.batch_id is not None:
        ended = Batch.unscoped.filter(pk=callback.batch_id)
        RESTART_FOR_CALLBACK.move_all(ended, ended_at=None)


def _forget_callback(callback: Callback) -> None:
    """Take the callback from its recipient: one not called yet waits on, others are cancelled."""
    if callback.recipient_id is None:
        return
    now = database_now()
    planned = Recipient.unscoped.filter(pk=callback.recipient_id).exclude(callback_at=None)
    CANCEL_CALLBACK.move_all(
        planned.filter(attempts__gt=0, reason=CALLBACK),
        reason="callback_cancelled",
        due_at=None,
        callback_at=None,
        unreported_at=now,
    )
    planned.filter(attempts=0).update(due_at=now, reason=None)
    planned.update(callback_at=None)


def _follow_recipient(callback: Callback, recipient: Recipient, now: datetime) -> None:
    due_at = recipient.due_at
    if recipient.status in Recipient.Status.closed():
        _miss(callback, now)
    elif due_at is not None and due_at > max(callback.at, now):
        # The calling window or a gap has postponed it since it was scheduled.
        reason = explain(recipient.reason or "").text
        moved = Callback.unscoped.filter(pk=callback.pk, status__in=Status.active())
        moved.update(at=due_at, status=Status.MOVED, moved_reason=reason[:255])
        Recipient.unscoped.filter(pk=recipient.pk, due_at=due_at).update(callback_at=due_at)
    elif due_at is not None and callback.at < now - MISSED_AFTER:
        _miss(callback, now)


def _miss(callback: Callback, now: datetime) -> None:
    active = Callback.unscoped.filter(pk=callback.pk, status__in=Status.active())
    missed = active.update(status=Status.MISSED, ended_at=now)
    # The recipient stays in the queue like any other.
    if missed and callback.recipient_id is not None:
        Recipient.unscoped.filter(pk=callback.recipient_id).update(callback_at=None)


def _dial(callback: Callback, now: datetime) -> None:
    """Order the call of a callback without a recipient, in one transaction with its state."""
    opening = opens_at(callback.phone_number, _rules_of(callback), now)
    active = Callback.unscoped.filter(pk=callback.pk, status__in=Status.active())
    if opening.at is not None and opening.at > now:
        active.update(at=opening.at, status=Status.MOVED, moved_reason=_closed_at(now))
        return
    try:
        with transaction.atomic():
            # Compare and set: of two workers, one orders the call.
            if active.update(status=Status.DIALING):
                order = CallOrder(callback.agent, callback.phone_number, None, callback.variables)
                call = place_call(order=order)
                Callback.unscoped.filter(pk=callback.pk).update(call_id=call.pk)
    except DomainError as refusal:
        active.update(status=Status.MISSED, ended_at=now, moved_reason=str(refusal)[:255])


def _settle_dialed(now: datetime) -> None:
    """End the callbacks without a recipient whose call has ended; settlements end the others."""
    dialing = Callback.unscoped.filter(status=Status.DIALING, recipient=None)
    ids = [pk for pk in dialing.values_list("call_id", flat=True)[:FOLLOWED_CALLBACKS] if pk]
    ended = list(Call.unscoped.filter(pk__in=ids, stage=Stage.ENDED))
    settle_callbacks([call for call in ended if call.dialed_at is not None], now)
    unsent = [call.pk for call in ended if call.dialed_at is None]
    missed = Callback.unscoped.filter(call_id__in=unsent, status=Status.DIALING)
    missed.update(status=Status.MISSED, ended_at=now)
