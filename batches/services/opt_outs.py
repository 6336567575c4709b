"""Whoever asked during a call not to be called again stands on the list as soon as the agent has
reported it.

The wish is kept on the call until it does, so that a bell nobody heard loses nothing: the sweep
finds it.
"""

from datetime import datetime

from django.db import transaction

from accounts import audit
from batches.models import Suppression
from telephony.models import Call, Direction
from voiceops.core.phone_numbers import E164_PATTERN
from voiceops.core.pii import mask_number

REASON = "Asked during a call not to be called again"
AT_ONCE = 200


def suppress_opt_outs() -> int:
    """Suppress the people of calls that are marked so, without end. Returns how many calls there
    were.
    """
    calls = list(
        Call.unscoped.exclude(opt_out_at=None)
        .select_related("workspace")
        .order_by("opt_out_at")[:AT_ONCE]
    )
    for call in calls:
        assert call.opt_out_at is not None
        with transaction.atomic():
            if Call.unscoped.filter(pk=call.pk, opt_out_at=call.opt_out_at).update(opt_out_at=None):
                suppress_caller(call, call.opt_out_at)
    return len(calls)


def suppress_caller(call: Call, asked_at: datetime) -> None:
    """A number that is suppressed for good stays as it stands; one suppressed for a time is from
    now on for good.
    """
    number = call.from_number if call.direction == Direction.INBOUND else call.to_number
    rows = Suppression.unscoped.filter(workspace=call.workspace_id, phone_number=number)
    if (
        not E164_PATTERN.match(number) or rows.filter(expires_at=None).exists()
    ):  # callers may withhold their number
        return
    proof = f"call {call.pk} at {asked_at.isoformat(timespec='seconds')}"
    wish = {
        "reason": REASON,
        "source": Suppression.Source.OPT_OUT,
        "proof": proof,
        "expires_at": None,
    }
    row, _ = Suppression.unscoped.update_or_create(
        workspace=call.workspace, phone_number=number, defaults=wish
    )
    changes = {"phone_number": mask_number(number), "source": row.source}
    audit.record(
        "suppression.added",
        target=row,
        changes=changes,
    )
