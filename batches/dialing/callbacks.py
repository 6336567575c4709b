"""Callbacks in the queue: which number is dialled, and what the end of the call means for them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from batches.dialing.settlement_rules import BatchFacts, RecipientChange
from batches.domain import recipient_transitions as transitions
from batches.models import Callback, Recipient
from telephony.models import Call

CALLBACK = "callback"
Status = Callback.Status


def callbacks_of(recipient_ids: Iterable[Any]) -> dict[Any, Callback]:
    """Return the callback that each of the recipients waits for."""
    found = Callback.unscoped.filter(recipient__in=list(recipient_ids), status__in=Status.active())
    return {callback.recipient_id: callback for callback in found}


def due_callbacks_of(recipients: Sequence[Recipient]) -> dict[Any, Callback]:
    """Return the callbacks of recipients that are about to be called for one."""
    waiting = [recipient.pk for recipient in recipients if recipient.callback_at is not None]
    return callbacks_of(waiting) if waiting else {}


def read_callback_numbers(recipients: Sequence[Recipient]) -> None:
    """Have `number_to_call` of recipients that wait for a callback be the callback's."""
    callbacks = due_callbacks_of(recipients)
    for recipient in recipients:
        if callback := callbacks.get(recipient.pk):
            recipient.callback_number = callback.phone_number


def is_callback(call: Call) -> bool:
    """Return whether a call that is about to be sent was reserved for a callback."""
    dialing = Callback.unscoped.filter(status=Status.DIALING, recipient=call.recipient_id)
    return call.recipient_id is not None and dialing.filter(call_id=call.pk).exists()


def mark_dialing(callbacks: dict[Any, Callback], calls: Sequence[Call]) -> None:
    """Record the calls that were reserved for callbacks, in the transaction of the reservation."""
    for call in calls:
        if callback := callbacks.get(call.recipient_id):
            Callback.unscoped.filter(pk=callback.pk).update(status=Status.DIALING, call_id=call.pk)


def settle_callbacks(calls: Sequence[Call], now: datetime) -> None:
    """End the callbacks of ended calls; one whose call was never sent waits again."""
    dialing = Callback.unscoped.filter(status=Status.DIALING)
    sent = [call.pk for call in calls if call.dialed_at is not None]
    dialing.filter(call_id__in=sent).update(status=Status.DONE, ended_at=now)
    unsent = [call.pk for call in calls if call.dialed_at is None]
    dialing.filter(call_id__in=unsent).update(status=Status.SCHEDULED, call_id=None)


def plan_callback(
    change: RecipientChange, callback: Callback | None, batch: BatchFacts
) -> RecipientChange:
    """Return the change with the callback that the recipient waits for, which comes before any
    retry. A recipient that is skipped, cancelled or in doubt keeps its change.
    """
    if callback is None or batch.is_stopped:
        return change
    if change.transition in (transitions.RETURN_TO_QUEUE, transitions.RETRY):
        due_at = max(callback.at, change.due_at or callback.at)
        return replace(change, due_at=due_at, callback_at=callback.at)
    if change.transition in (transitions.COMPLETE_RECIPIENT, transitions.FAIL):
        return replace(
            change,
            transition=transitions.RETRY,
            reason=CALLBACK,
            due_at=callback.at,
            callback_at=callback.at,
        )
    return change
