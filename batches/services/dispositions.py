"""Carry out what the dispositions of ended calls order.

A call keeps `disposition_at` until that is done, so a lost message loses nothing: the sweep finds
it. The settlement has decided for a recipient whose call had its disposition by then; what was set
later, by an analysis or an operator, changes the recipient here.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import audit
from agents.dispositions import consequence_of
from batches.dialing.retry_policy import MAX_RETRY_ATTEMPTS
from batches.dialing.settlement_rules import DISPOSITION
from batches.domain.batch_transitions import RESTART_AFTERWARDS
from batches.domain.recipient_transitions import (
    FINISH_AFTERWARDS,
    RETRY_AFTERWARDS,
    REVIEW_AFTERWARDS,
)
from batches.models import Batch, Recipient, Suppression
from batches.services.callbacks import schedule_for_call
from telephony.domain.timeline import add_event
from telephony.models import Call, Direction, Stage
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import DomainError
from voiceops.core.isolation import SetAside
from voiceops.core.phone_numbers import E164_PATTERN
from voiceops.core.pii import mask_number

DISPOSITION_CHUNK_CALLS = 200
impossible = SetAside()  # calls whose disposition could not be carried out
Order: TypeAlias = Callable[[Call, Mapping[str, Any]], None]


def apply_dispositions() -> int:
    """Carry out the consequences of calls that have ended and are settled; returns how many."""
    settled = Q(recipient_id=None) | Q(settled_at__isnull=False)
    pending = Call.unscoped.filter(settled, stage=Stage.ENDED, disposition_at__isnull=False)
    pending = pending.exclude(pk__in=impossible.waiting())
    calls = list(
        pending.select_related("agent_version", "workspace").order_by("disposition_at")[
            :DISPOSITION_CHUNK_CALLS
        ]
    )
    for call in calls:
        impossible.run(_apply_disposition, call.pk, call)
    return len(calls)


def _apply_disposition(call: Call) -> None:
    with transaction.atomic():
        # Compare and set: of two workers, one carries it out.
        mine = Call.unscoped.filter(pk=call.pk, disposition_at=call.disposition_at)
        if mine.update(disposition_at=None):
            _carry_out(call)


def _carry_out(call: Call) -> None:
    consequence = consequence_of(call.agent_version, call.disposition)
    if consequence is None:
        return
    _recipient_of(call).update(disposition=call.disposition, disposition_by=call.disposition_by)
    ORDERS[consequence["type"]](call, consequence)


def _recipient_of(call: Call) -> QuerySet[Recipient]:
    """Return the call's recipient as a query, empty when it has been called again."""
    return Recipient.unscoped.filter(pk__in=[call.recipient_id], last_call_id=call.pk)


def _without_callback(call: Call) -> QuerySet[Recipient]:
    """Return the call's recipient, empty when it waits for a call at a time of its own."""
    return _recipient_of(call).filter(callback_at=None)


def _finish(call: Call, consequence: Mapping[str, Any]) -> None:
    _end(_without_callback(call))


def _end(recipients: QuerySet[Recipient]) -> None:
    now = database_now()
    FINISH_AFTERWARDS.move_all(recipients, reason=None, due_at=None, unreported_at=now)


def _retry(call: Call, consequence: Mapping[str, Any]) -> None:
    assert call.disposition_at is not None
    due_at = call.disposition_at + timedelta(minutes=consequence["delay_minutes"])
    batch = Batch.unscoped.select_for_update().filter(pk__in=[call.batch_id]).first()
    if batch is None or batch.status in (Batch.Status.STOPPED, Batch.Status.FAILED):
        return
    again = _without_callback(call).filter(attempts__lt=MAX_RETRY_ATTEMPTS)
    # Planned by the settlement already.
    again = again.exclude(status=Recipient.Status.RETRYING, reason=DISPOSITION)
    changes = {"reason": DISPOSITION, "due_at": due_at, "unreported_at": None}
    if RETRY_AFTERWARDS.move_all(again, **changes):
        RESTART_AFTERWARDS.move_all(Batch.unscoped.filter(pk=batch.pk), ended_at=None)
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)


def _call_back(call: Call, consequence: Mapping[str, Any]) -> None:
    """Plan a callback, unless the callee has been given one already."""
    assert call.disposition_at is not None
    at = max(call.disposition_at + timedelta(minutes=consequence["delay_minutes"]), database_now())
    recipient = _recipient_of(call).first()
    if recipient is not None and recipient.callback_at is not None:
        return
    try:
        schedule_for_call(call, at=at, remark=f"Disposition: {call.disposition}")
    except DomainError as refusal:
        text = f"No callback: {refusal}"
        add_event(call, type="callback_refused", text=text, at=database_now())


def _review(call: Call, consequence: Mapping[str, Any]) -> None:
    REVIEW_AFTERWARDS.move_all(
        _recipient_of(call), reason=DISPOSITION, due_at=None, unreported_at=None
    )


def _suppress(call: Call, consequence: Mapping[str, Any]) -> None:
    """Suppress the other party for ever."""
    _add_suppression(call, days=None)
    _end(_recipient_of(call))


def _rest(call: Call, consequence: Mapping[str, Any]) -> None:
    """Suppress the other party for some days."""
    _add_suppression(call, days=consequence["days"])
    _end(_recipient_of(call))


def _add_suppression(call: Call, *, days: int | None) -> None:
    """Suppress the number of the other party, unless a longer suppression is in force."""
    number = call.from_number if call.direction == Direction.INBOUND else call.to_number
    # Callers may withhold their number.
    if not E164_PATTERN.match(number):
        return
    expires_at = None if days is None else database_now() + timedelta(days=days)
    rows = Suppression.unscoped.filter(workspace=call.workspace_id, phone_number=number)
    longer = Q(expires_at=None) | (Q(expires_at__gte=expires_at) if expires_at else Q(pk=None))
    if rows.filter(longer).exists():
        return
    suppression, _ = Suppression.unscoped.update_or_create(
        workspace=call.workspace,
        phone_number=number,
        defaults={
            "reason": f"Disposition: {call.disposition}",
            "source": Suppression.Source.OPT_OUT,
            "proof": f"call {call.pk}",
            "expires_at": expires_at,
        },
    )
    changes = {"phone_number": mask_number(number), "source": suppression.source}
    audit.record("suppression.added", target=suppression, changes=changes)


ORDERS: dict[str, Order] = {
    "finish": _finish,
    "retry": _retry,
    "callback": _call_back,
    "suppress": _suppress,
    "rest": _rest,
    "review": _review,
}
