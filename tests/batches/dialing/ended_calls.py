"""Calls that have ended and wait for their settlement."""

from typing import Any

from django.utils import timezone

from batches.models import Batch, Recipient
from telephony.models import Call, Outcome, Stage
from tests import make


def ended_call(batch: Batch, recipient: Recipient, **fields: Any) -> Call:
    """A call to the recipient that has ended and is not settled yet."""
    now = timezone.now()
    values = {
        "stage": Stage.ENDED,
        "recipient_id": recipient.pk,
        "batch_id": batch.pk,
        "agent": batch.agent,
        "number": batch.phone_number,
        "to_number": recipient.phone_number,
        "sequence": recipient.sends + 1,
        "dialed_at": now,
        "intent_at": now,
        "ended_at": now,
        **fields,
    }
    call = make.call(batch.workspace, **values)
    Recipient.unscoped.filter(pk=recipient.pk).update(
        status=Recipient.Status.DIALING,
        due_at=None,
        last_call_id=call.pk,
        sends=recipient.sends + 1,
    )
    return call


def answered_call(batch: Batch, recipient: Recipient, **fields: Any) -> Call:
    values = {
        "outcome": Outcome.ANSWERED,
        "end_reason": "hangup",
        "answered_at": timezone.now(),
        "detected": "human",
    }
    return ended_call(batch, recipient, **{**values, **fields})
