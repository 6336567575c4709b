"""Callbacks that tests plan, claim and make due."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from batches.dialing import reservation
from batches.models import Batch, Callback, Recipient
from batches.services.callbacks import schedule_callback
from telephony.models import Call
from voiceops.core.ids import uuid7


def in_hours(hours: float) -> Any:
    return (timezone.now() + timedelta(hours=hours)).replace(microsecond=0)


def iso(at: Any) -> str:
    return str(at.isoformat().replace("+00:00", "Z"))


def claim(batch: Batch, max_calls: int = 1) -> list[Call]:
    assert batch.phone_number is not None
    ids = reservation.claim_recipients(batch.phone_number.pk, owner=uuid7(), max_calls=max_calls)
    return list(Call.unscoped.filter(pk__in=ids))


def plan(recipient: Recipient, at: Any = None, **fields: Any) -> Callback:
    return schedule_callback(
        workspace=recipient.workspace, recipient=recipient, at=at or in_hours(2), **fields
    )


def make_due(callback: Callback, *, ago: timedelta = timedelta(seconds=1)) -> None:
    then = timezone.now() - ago
    Callback.unscoped.filter(pk=callback.pk).update(at=then)
    recipients = Recipient.unscoped.filter(callbacks=callback.pk)
    recipients.update(due_at=then, callback_at=then)
