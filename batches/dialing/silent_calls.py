"""Whose silence it is when a phone never rang: the carrier's, or that of this one callee.

A call to which the carrier did not react is free. A number that stays silent while the calls around
it ring is its owner's affair, though: after a few free calls it counts as not answered.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q

from telephony.dialing.responses import has_rung
from telephony.domain import call_states
from telephony.domain.dial_verdicts import CARRIER_SILENT
from telephony.models import Call, CallQuerySet
from voiceops.core.ids import lowest_id

# Calls to others on the same number, just before and just after, that show whether it works. Of
# three, one may be to another phone that is dead.
NEIGHBOUR_CALLS = 3
NEIGHBOUR_WINDOW = timedelta(minutes=5)
SILENT = Q(end_reason=CARRIER_SILENT.reason)


def recognize_ringing(call: Call) -> None:
    """Correct a call that seemed to be silent and of which evidence has come that it rang."""
    if call.end_reason == CARRIER_SILENT.reason and call.ringing_at is None and has_rung(call):
        at = call.ended_at or call.created_at
        call_states.mark_ringing(call, at=at, source="livekit")


def count_silent_sends(calls: Iterable[Call]) -> dict[Any, int]:
    """Return how many silent calls each recipient has had, for the recipients of silent calls."""
    ids = [call.recipient_id for call in calls if call.end_reason == CARRIER_SILENT.reason]
    if not ids:
        return {}
    by_recipient = Call.unscoped.filter(SILENT, recipient_id__in=ids).order_by()
    return dict(by_recipient.values_list("recipient_id").annotate(Count("pk")))


def others_rang(recipient_id: UUID | None) -> bool:
    """Return whether a silent call of this recipient lay among calls to others that rang.

    While the carrier is dead, those after it are silent, too; when it has just come back, those
    before it were.
    """
    silent = Call.unscoped.filter(SILENT, recipient_id=recipient_id).exclude(dialed_at=None)
    return any(_rang_around(call) for call in silent.order_by("pk"))


def _rang_around(call: Call) -> bool:
    others = _neighbours(call)
    before = others.filter(dialed_at__lt=call.dialed_at).order_by("-dialed_at")
    after = others.filter(dialed_at__gte=call.dialed_at).order_by("dialed_at")
    found_before = list(before[:NEIGHBOUR_CALLS])
    found_after = list(after[:NEIGHBOUR_CALLS])
    if not found_before and not found_after:
        return False
    return _most_rang(found_before) and _most_rang(found_after)


def _neighbours(call: Call) -> CallQuerySet:
    """Return the calls to others on the same number, minutes before and after, that show how the
    carrier was.

    A dead phone shows it once: when it is called again, later than the others, it would pass for a
    carrier that is dead by then.
    """
    assert call.dialed_at is not None
    earlier = Call.unscoped.filter(
        SILENT, recipient_id=OuterRef("recipient_id"), sequence__lt=OuterRef("sequence")
    )
    rang = Q(ringing_at__isnull=False) | Q(answered_at__isnull=False)
    # By primary key, which sorts by time, because no index leads from a number to its calls.
    near = Call.unscoped.filter(
        rang | (SILENT & ~Exists(earlier)),
        workspace=call.workspace_id,
        pk__gte=lowest_id(call.dialed_at - NEIGHBOUR_WINDOW),
        number=call.number_id,
        dialed_at__lt=call.dialed_at + NEIGHBOUR_WINDOW,
    )
    neighbours: CallQuerySet = near.exclude(recipient_id=call.recipient_id)
    return neighbours


def _most_rang(calls: Sequence[Call]) -> bool:
    """Return whether at most a minority of the calls was silent; True of none."""
    silent = sum(call.end_reason == CARRIER_SILENT.reason for call in calls)
    return 2 * silent < len(calls) or not calls
