"""In which order a batch's due recipients are claimed."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from batches.dialing.callbacks import read_callback_numbers
from batches.models import Batch, Recipient
from batches.models.column_roles import PRIORITY


def read_due(
    batch: Batch, now: datetime, limit: int, *, but: Sequence[Recipient] = ()
) -> list[Recipient]:
    """Return up to `limit` due recipients, locked: callbacks, then higher priorities, then earlier
    ones first.

    What another dispatcher has locked is passed over: it is being reserved there.
    """
    due = Recipient.unscoped.filter(batch=batch, due_at__lte=now)
    due = due.exclude(pk__in=[recipient.pk for recipient in but]) if but else due
    # Callees who asked for an hour of their own, which those that have waited longer have not.
    called_back = due.filter(callback_at__lte=now).order_by("callback_at", "row_number")
    found = list(called_back.select_for_update(skip_locked=True)[:limit])
    due = due.exclude(pk__in=[recipient.pk for recipient in found]) if found else due
    for stretch in _stretches(batch, due):
        if len(found) < limit:
            found += stretch.select_for_update(skip_locked=True)[: limit - len(found)]
    read_callback_numbers(found)
    return found


def _stretches(batch: Batch, due: QuerySet[Recipient]) -> list[QuerySet[Recipient]]:
    """Return parts of the list, each of which an index has in the right order."""
    if PRIORITY not in batch.column_roles.values():
        return [due.order_by("due_at", "row_number")]
    by_priority = due.order_by("-priority", "due_at", "row_number")
    return [
        by_priority.filter(priority__gt=0),
        due.filter(priority=0).order_by("due_at", "row_number"),
        by_priority.filter(priority__lt=0),
    ]
