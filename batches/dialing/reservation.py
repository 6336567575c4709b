"""Claim recipients that are due: the first step of the dial protocol. One short transaction per
number, no network.

Limits are counted under the lock of the number's row: telephony/dialing/room.py.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from batches.dialing.admission import window_of
from batches.dialing.calling_windows import opens_at
from batches.dialing.circuit_breaker import PROBE_EVERY, may_probe
from batches.models import Batch, Recipient
from telephony.dialing.capacity import capacity_of_number
from telephony.dialing.pacing import calls_ahead
from telephony.dialing.protocol import CALL_LEASE
from telephony.models import Call, Direction, NumberPace, PhoneNumber, Stage
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7

LOOK_THROUGH = (
    500  # people per claim, where some sleep: their zones take 0.1 ms each, under the number's lock
)


@dataclass
class Capacity:
    """How many more calls may be reserved now."""

    left: int

    def take(self, wanted: int) -> int:
        return max(0, min(wanted, self.left))


def callable_batches(now: datetime) -> QuerySet[Batch]:
    """Batches that may dial, on a number in service: running ones, and self-paused ones that are
    due for a probe.
    """
    probing = Q(status=Batch.Status.PAUSED, probe_at__lte=now)
    in_service = Batch.unscoped.filter(phone_number__status=PhoneNumber.Status.ACTIVE)
    return in_service.filter(Q(status=Batch.Status.RUNNING) | probing)


def batches_with_work(now: datetime) -> QuerySet[Batch]:
    """EXISTS, not a join: it stops at the first of a million people who are due."""
    due = Recipient.unscoped.filter(batch=OuterRef("pk"), due_at__lte=now)
    return callable_batches(now).filter(Exists(due))


def numbers_with_work() -> list[UUID]:
    """Numbers from which somebody is due."""
    due = batches_with_work(database_now())
    return list(
        due.order_by("phone_number_id").values_list("phone_number_id", flat=True).distinct()
    )


def claim(
    number_id: UUID, *, owner: UUID, most: int, unless: Callable[[], bool] = bool
) -> list[UUID]:
    """Reserve calls for recipients due on one number, at most `most`, fairly among its batches.
    Returns call ids.

    `unless` is asked once the number's row is ours: the lock may have been waited for, and the
    worker told to stop.
    """
    with transaction.atomic():
        pace = NumberPace.unscoped.select_for_update().filter(number=number_id).first()
        if pace is None or unless():
            return []
        number = PhoneNumber.unscoped.select_related("workspace").get(pk=number_id)
        now = database_now()
        room = Capacity(min(most, capacity_of_number(number, Call.unscoped.open())))
        if pace.trouble is not None:
            room.left = room.take(1) if may_probe(pace, now) else 0
        batches = list(callable_batches(now).filter(phone_number=number_id).order_by("pk"))
        ids = [
            pk
            for batch in rotate(batches, now)
            for pk in reserve_for_batch(batch, room, owner, now, len(batches))
        ]
        if pace.trouble is not None and ids:
            pace.probe_at, pace.probe_call_id = now + PROBE_EVERY, ids[0]
            pace.save(update_fields=["probe_at", "probe_call_id"])
        return ids


def rotate(batches: Sequence[Batch], now: datetime) -> Sequence[Batch]:
    """Whoever comes first gets the odd place: rotate by the second, so that no batch always comes
    last.
    """
    turn = int(now.timestamp()) % len(batches) if batches else 0
    return [*batches[turn:], *batches[:turn]]


def batch_capacity(batch: Batch, sharers: int, room: Capacity) -> int:
    open_calls = Call.unscoped.open().filter(batch_id=batch.pk)
    if (
        batch.status == Batch.Status.PAUSED
    ):  # a probe: one call, and only when no other is about to tell
        return 0 if open_calls.exclude(stage=Stage.IN_PROGRESS).exists() else room.take(1)
    wanted = ceil(room.left / sharers) if sharers > 1 else room.left
    if batch.max_concurrent_calls is not None:
        wanted = min(wanted, batch.max_concurrent_calls - open_calls.count())
    if batch.calls_per_second is not None:
        ahead = calls_ahead(batch.calls_per_second)
        wanted = min(wanted, ahead - open_calls.filter(stage=Stage.RESERVED).count())
    return room.take(wanted)


def reserve_for_batch(
    batch: Batch, room: Capacity, owner: UUID, now: datetime, sharers: int
) -> list[UUID]:
    wanted = batch_capacity(batch, sharers, room)
    if wanted <= 0:
        return []
    people = due_recipients(batch, wanted, now)
    calls = [reserve(batch, person, owner, now) for person in people]
    Call.unscoped.bulk_create(calls)
    reserved = Call.unscoped.filter(recipient_id=OuterRef("pk"), stage=Stage.RESERVED).values("pk")
    Recipient.unscoped.filter(pk__in=[person.pk for person in people]).update(
        status=Recipient.Status.DIALING,
        due_at=None,
        sends=F("sends") + 1,
        last_call_id=Subquery(reserved[:1]),
    )
    if batch.status == Batch.Status.PAUSED and calls:
        Batch.unscoped.filter(pk=batch.pk).update(probe_at=None, probe_call_id=calls[0].pk)
    room.left -= len(calls)
    return [call.pk for call in calls]


def due_recipients(batch: Batch, wanted: int, now: datetime) -> list[Recipient]:
    """People who are due and inside their calling hours, locked.

    Where some are outside theirs, a longer stretch of the list is looked through at once: else a
    slow number would put off a country that sleeps two people at a time, and who may be called
    behind it in the list would wait for hours.
    """
    due = (
        batch.recipients.filter(due_at__lte=now)
        .order_by("due_at", "row_number")
        .select_for_update(skip_locked=True)
    )
    people = list(due[:wanted])
    found = defer_outside_window(batch, people, now)
    if len(found) < len(people):
        behind = due.exclude(pk__in=[person.pk for person in found])[:LOOK_THROUGH]
        found += defer_outside_window(batch, list(behind), now)
    return found[:wanted]


def defer_outside_window(
    batch: Batch, people: Sequence[Recipient], now: datetime
) -> list[Recipient]:
    """Those inside their calling hours. The others are due when those begin; without any, they are
    skipped.

    Whoever waits has a reason too: an export tells why they were not called yet.
    """
    window = window_of(batch)
    if window is None:
        return list(people)
    found: list[Recipient] = []
    closed: dict[datetime | None, list[UUID]] = defaultdict(list)
    for person in people:
        opening = opens_at(
            person.phone_number, window, now, holidays_country=batch.workspace.holidays_country
        )
        if opening == now:
            found.append(person)
        else:
            closed[opening].append(person.pk)
    for opening, ids in closed.items():
        never = {"status": Recipient.Status.SKIPPED} if opening is None else {}
        Recipient.unscoped.filter(pk__in=ids).update(
            due_at=opening, reason="window_closed", **never
        )
    return found


def reserve(batch: Batch, person: Recipient, owner: UUID, now: datetime) -> Call:
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
        to_number=person.phone_number,
        variables=person.variables_in(batch),
        batch_id=batch.pk,
        recipient_id=person.pk,
        sequence=person.sends + 1,
        attempt=person.attempts + 1,
        room=f"vo-{pk}",
        lease_owner=owner,
        lease_expires_at=now + CALL_LEASE,
    )
