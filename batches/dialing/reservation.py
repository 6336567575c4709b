"""Reserve calls for recipients that are due: the first step of the dial protocol.

One short transaction per number, without the network. Limits are counted under the lock of the
number's pace (`telephony/dialing/capacity.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from batches.dialing.batch_budgets import limit_to_budgets
from batches.dialing.callbacks import due_callbacks_of, mark_dialing
from batches.dialing.calling_windows import ZONE_UNKNOWN, Opening, Openings, rules_of
from batches.dialing.circuit_breaker import PROBE_INTERVAL, may_probe
from batches.dialing.claim_order import read_due
from batches.dialing.gaps import defer_within_gap
from batches.domain.recipient_transitions import RESERVE, REVIEW_ZONE, SKIP_CLOSED
from batches.models import Batch, Recipient
from telephony.dialing.budgets import Budget, budget_of_day, close_day_if_spent
from telephony.dialing.capacity import capacity_of_number
from telephony.dialing.pacing import calls_ahead
from telephony.dialing.protocol import CALL_LEASE
from telephony.models import Call, Direction, NumberPace, PhoneNumber, Stage
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7

# Recipients read at once where some are outside their window. All of it happens under
# the lock of the number's pace.
MAX_RECIPIENTS_SCANNED = 500


GOLDEN_RATIO = (1 + 5**0.5) / 2


@dataclass
class Capacity:
    """How many more calls may be reserved now, and the workspace's budget of the day."""

    left: int
    day: Budget | None = None

    def limit(self, wanted: int) -> int:
        """Return how many of the wanted calls there is capacity for."""
        return max(0, min(wanted, self.left))


def callable_batches(now: datetime) -> QuerySet[Batch]:
    """Return the batches that may dial: running ones, and self-paused ones that are due for a
    probe, on a number that is active, in workspaces that have not spent the budget of the day.
    """
    probing = Q(status=Batch.Status.PAUSED, probe_at__lte=now)
    on_active_number = Batch.unscoped.filter(phone_number__status=PhoneNumber.Status.ACTIVE)
    may_spend = on_active_number.exclude(workspace__budget_spent_until__gt=now)
    return may_spend.filter(Q(status=Batch.Status.RUNNING) | probing)


def batches_with_work(now: datetime) -> QuerySet[Batch]:
    """Return the batches that may dial and have a recipient that is due."""
    # EXISTS instead of a join, because it stops at the first of a million due recipients.
    due = Recipient.unscoped.filter(batch=OuterRef("pk"), due_at__lte=now)
    return callable_batches(now).filter(Exists(due))


def numbers_with_work() -> list[UUID]:
    """Return the ids of the numbers from which a recipient is due to be called."""
    numbers = batches_with_work(database_now()).order_by("phone_number_id")
    return list(numbers.values_list("phone_number_id", flat=True).distinct())


def claim_recipients(
    number_id: UUID, *, owner: UUID, max_calls: int, unless: Callable[[], bool] = bool
) -> list[UUID]:
    """Reserve calls for recipients that are due on one number, fairly among its batches.

    Returns the ids of the calls. `unless` is asked once the number's lock is held, because waiting
    for it may have taken so long that the worker has been asked to stop.
    """
    with transaction.atomic():
        pace = NumberPace.unscoped.select_for_update().filter(number=number_id).first()
        if pace is None or unless():
            return []
        now = database_now()
        capacity = number_capacity(pace, now, max_calls)
        batches = list(callable_batches(now).filter(phone_number=number_id).order_by("pk"))
        call_ids: list[UUID] = []
        for batch, share in share_out(batches, now):
            call_ids += reserve_for_batch(batch, capacity, owner, now, share=share)
        if pace.trouble is not None and call_ids:
            # Should the probe be lost with its worker, another may follow after that time.
            pace.probe_at = now + PROBE_INTERVAL
            pace.probe_call_id = call_ids[0]
            pace.save(update_fields=["probe_at", "probe_call_id"])
        return call_ids


def number_capacity(pace: NumberPace, now: datetime, max_calls: int) -> Capacity:
    """Return how many calls may be reserved on a number, whose pace the caller has locked.

    A number in trouble may have one call, and only when its last probe is over.
    """
    number = PhoneNumber.unscoped.select_related("workspace").get(pk=pace.number_id)
    open_calls = Call.unscoped.open()
    capacity = Capacity(min(max_calls, capacity_of_number(number, open_calls)))
    if capacity.left > 0:
        capacity.day = budget_of_day(number.workspace, open_calls, now)
        close_day_if_spent(number.workspace, capacity.day, now)
    if pace.trouble is not None:
        capacity.left = capacity.limit(1) if may_probe(pace, now) else 0
    return capacity


def share_out(batches: Sequence[Batch], now: datetime) -> list[tuple[Batch, float]]:
    """Return the batches in turn, each with its share of the capacity that is left when it comes.

    Shares follow `priority`; what a batch leaves goes to those after it. The first one gets the odd
    place, so the turn changes by the second, in proportion to the priorities, too: a batch of 75
    comes first three times as often as one of 25. A batch of 0 comes after all others.
    """
    # The fractions of this number's multiples fill the turn evenly, whatever the weights are.
    turn = (int(now.timestamp()) * GOLDEN_RATIO) % 1 * sum(batch.priority for batch in batches)
    first = 0
    while first < len(batches) - 1 and turn >= batches[first].priority:
        turn -= batches[first].priority
        first += 1
    ordered = [*batches[first:], *batches[:first]]
    ordered.sort(key=lambda batch: batch.priority == 0)
    weights = [batch.priority for batch in ordered]
    return [
        (
            batch,
            batch.priority / sum(weights[index:]) if batch.priority else 1 / (len(ordered) - index),
        )
        for index, batch in enumerate(ordered)
    ]


def batch_capacity(batch: Batch, capacity: Capacity, *, share: float) -> int:
    """Return how many calls may be reserved for a batch that shares its number with others."""
    open_calls = Call.unscoped.open().filter(batch_id=batch.pk)
    if batch.status == Batch.Status.PAUSED:
        # A probe is one call, and only when no other is about to end.
        is_probing = open_calls.exclude(stage=Stage.IN_PROGRESS).exists()
        return 0 if is_probing else capacity.limit(1)

    wanted = ceil(round(capacity.left * share, 6))
    if batch.max_concurrent_calls is not None:
        wanted = min(wanted, batch.max_concurrent_calls - open_calls.count())
    if batch.calls_per_second is not None:
        reserved = open_calls.filter(stage=Stage.RESERVED).count()
        wanted = min(wanted, calls_ahead(batch.calls_per_second) - reserved)
    return capacity.limit(wanted)


def reserve_for_batch(
    batch: Batch, capacity: Capacity, owner: UUID, now: datetime, *, share: float
) -> list[UUID]:
    """Reserve calls for due recipients of one batch; returns the ids of the calls.

    The call rows and the recipients' new state are one transaction, the caller's.
    """
    wanted = batch_capacity(batch, capacity, share=share)
    wanted = limit_to_budgets(batch, wanted, capacity.day, now)
    if wanted <= 0:
        return []
    recipients = due_recipients(batch, wanted, now)
    callbacks = due_callbacks_of(recipients)
    calls = [build_call(batch, recipient, owner, now) for recipient in recipients]
    Call.unscoped.bulk_create(calls)
    mark_dialing(callbacks, calls)
    # A recipient has one open call at most, which is the one just inserted.
    reserved = Call.unscoped.filter(recipient_id=OuterRef("pk"), stage=Stage.RESERVED).values("pk")
    columns = RESERVE.columns(
        due_at=None, callback_at=None, sends=F("sends") + 1, last_call_id=Subquery(reserved[:1])
    )
    Recipient.unscoped.filter(pk__in=[recipient.pk for recipient in recipients]).update(**columns)
    if batch.status == Batch.Status.PAUSED and calls:
        Batch.unscoped.filter(pk=batch.pk).update(probe_at=None, probe_call_id=calls[0].pk)
    capacity.left -= len(calls)
    return [call.pk for call in calls]


def due_recipients(batch: Batch, wanted: int, now: datetime) -> list[Recipient]:
    """Return up to `wanted` recipients that are due and may be called now, locked.

    Where some are outside their calling window, or were rung too recently, a longer stretch of the
    list is read at once. Otherwise a slow number would defer a country that sleeps two recipients
    at a time, and those behind it in the list that may be called would wait for hours.
    """
    first = read_due(batch, now, wanted)
    found = defer_within_gap(batch, defer_outside_window(batch, first, now), now, wanted=wanted)
    if len(found) < len(first):
        others = read_due(batch, now, MAX_RECIPIENTS_SCANNED, but=found)
        inside = defer_outside_window(batch, others, now)
        found += defer_within_gap(batch, inside, now, wanted=wanted - len(found), reserved=found)
    return found


def defer_outside_window(
    batch: Batch, recipients: Sequence[Recipient], now: datetime
) -> list[Recipient]:
    """Return the recipients inside their calling window and defer the others until it opens.

    Those whose window never opens are skipped, and those whose zone nobody knows are put in review.
    All have the reason on record, because an export shows why they were not called.
    """
    rules = rules_of(batch)
    if rules is None:
        return list(recipients)
    inside: list[Recipient] = []
    outside: dict[Opening, list[UUID]] = defaultdict(list)
    openings = Openings(rules, now)
    for recipient in recipients:
        opening = openings.find(recipient.number_to_call, recipient.timezone)
        if opening.at == now:
            inside.append(recipient)
        else:
            outside[opening].append(recipient.pk)
    for opening, ids in outside.items():
        _defer(ids, opening)
    return inside


def _defer(ids: Sequence[UUID], opening: Opening) -> None:
    """Make recipients due when their window opens; skip or review them if it never does."""
    columns: dict[str, Any] = {"due_at": opening.at, "reason": opening.reason}
    if opening.at is None and opening.reason == ZONE_UNKNOWN:
        columns = REVIEW_ZONE.columns(**columns)
    elif opening.at is None:
        columns = SKIP_CLOSED.columns(**columns, unreported_at=Now())
    Recipient.unscoped.filter(pk__in=ids).update(**columns)


def build_call(batch: Batch, recipient: Recipient, owner: UUID, now: datetime) -> Call:
    """Build the reserved call of one attempt, not saved yet; `owner` is the dispatcher's id."""
    pk = uuid7()
    assert batch.phone_number is not None
    return Call(
        pk=pk,
        workspace_id=batch.workspace_id,
        direction=Direction.OUTBOUND,
        stage=Stage.RESERVED,
        agent_id=batch.agent_id,
        agent_version_id=batch.agent_version_id,
        number_id=batch.phone_number_id,
        from_number=batch.phone_number.phone_number,
        to_number=recipient.number_to_call,
        variables=recipient.variables_in(batch),
        batch_id=batch.pk,
        recipient_id=recipient.pk,
        sequence=recipient.sends + 1,
        attempt=recipient.attempts + 1,
        room=f"vo-{pk}",
        lease_owner=owner,
        lease_expires_at=now + CALL_LEASE,
    )
