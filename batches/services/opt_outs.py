"""Suppress the numbers of callees who asked during a call not to be called again.

The request is kept on the call (`opt_out_at`) until the number is suppressed, so a lost message
loses nothing: the sweep finds it.
"""

from datetime import datetime

from django.db import transaction

from accounts import audit
from batches.models import Suppression
from telephony.models import Call, Direction
from voiceops.core.isolation import SetAside
from voiceops.core.phone_numbers import E164_PATTERN
from voiceops.core.pii import mask_number

OPT_OUT_REASON = "Asked during a call not to be called again"
OPT_OUT_CHUNK_CALLS = 200
unsuppressible = SetAside()


def suppress_opt_outs() -> int:
    """Suppress the other party of each call with an opt-out, without expiry; returns how many calls
    there were.
    """
    pending = Call.unscoped.exclude(opt_out_at=None).exclude(pk__in=unsuppressible.waiting())
    calls = list(pending.select_related("workspace").order_by("opt_out_at")[:OPT_OUT_CHUNK_CALLS])
    for call in calls:
        unsuppressible.run(_suppress_opt_out, call.pk, call)
    return len(calls)


def _suppress_opt_out(call: Call) -> None:
    asked_at = call.opt_out_at
    assert asked_at is not None
    with transaction.atomic():
        # Compare and set: of two workers, one handles the request.
        if Call.unscoped.filter(pk=call.pk, opt_out_at=asked_at).update(opt_out_at=None):
            suppress_other_party(call, asked_at)


def suppress_other_party(call: Call, asked_at: datetime) -> None:
    """Suppress the number of a call's caller or callee; one without an expiry stays as it is."""
    number = call.from_number if call.direction == Direction.INBOUND else call.to_number
    # Callers may withhold their number.
    if not E164_PATTERN.match(number):
        return
    rows = Suppression.unscoped.filter(workspace=call.workspace_id, phone_number=number)
    # A suppression without an expiry keeps its reason and its proof.
    if rows.filter(expires_at=None).exists():
        return
    suppression, _ = Suppression.unscoped.update_or_create(
        workspace=call.workspace,
        phone_number=number,
        defaults={
            "reason": OPT_OUT_REASON,
            "source": Suppression.Source.OPT_OUT,
            "proof": f"call {call.pk} at {asked_at.isoformat(timespec='seconds')}",
            "expires_at": None,
        },
    )
    changes = {"phone_number": mask_number(number), "source": suppression.source}
    audit.record("suppression.added", target=suppression, changes=changes)
