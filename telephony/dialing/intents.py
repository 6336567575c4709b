"""Intents: durable before the socket is touched, each with a time slot of its number.

Every function is one short transaction under the row locks of the numbers' paces, so that no two
machines give out the same slot; none touches the network.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from telephony.dialing.admission import Admission, Gate
from telephony.dialing.jobs import Job
from telephony.dialing.pacing import choose_slot, occupy_slot
from telephony.dialing.protocol import CALL_LEASE, INTENT_HORIZON, INTENT_LIFETIME
from telephony.domain import call_states
from telephony.domain.call_transitions import COMMIT_INTENT, PUT_BACK
from telephony.domain.dial_verdicts import BY_REASON, RELEASED, Blame, Verdict
from telephony.models import Call, NumberPace, Stage
from voiceops.core.clock import database_now


@dataclass
class PacingRound:
    """What one round decided about its jobs."""

    now: datetime  # by the database
    # This machine's monotonic clock just after `now` was read: sends are late rather than early.
    monotonic: float
    sends: list[tuple[Job, datetime]] = field(default_factory=list)  # with their slots
    refused: list[Job] = field(default_factory=list)
    waiting: list[Job] = field(default_factory=list)
    next_slot: datetime | None = None  # the first one beyond the horizon


def commit_intents(jobs: Sequence[Job], *, owner: UUID, gate: Gate) -> PacingRound:
    """Give slots to as many jobs as fall within the horizon, and commit their intents.

    Everything that could forbid a call is read again under the locks. When this returns, the
    intents are durable and the sends may go out at their slots.
    """
    with transaction.atomic():
        # Locks in one order everywhere: the numbers' rows, then what the gate locks.
        paces = _lock_paces(jobs)
        admission = gate.admit([job.call for job in jobs])
        # Only after the locks, which may take a while: a slot in the past would be a late send.
        pacing_round = PacingRound(now=database_now(), monotonic=time.monotonic())
        for job in jobs:
            _place(job, paces, admission, pacing_round)
        _move_to_intent(pacing_round, owner)
        for job in pacing_round.refused:
            call_states.mark_failed(
                job.call,
                verdict=refusal_verdict(job.call.end_reason),
                at=pacing_round.now,
                since=(Stage.RESERVED,),
            )
        _save_paces(paces)
        admission.save()
    return pacing_round


def reslot_late_sends(jobs: Sequence[Job], *, gate: Gate) -> list[datetime | None]:
    """Return a new slot for each send that woke past its own, in the order of `jobs`.

    A late send honours the number's back-off and its batch's own pace as every other send does.
    None when the first slot allowed comes after the end of the intent: then it is not sent.
    """
    with transaction.atomic():
        paces = _lock_paces(jobs)
        own_pace = gate.own_pace([job.call for job in jobs])
        now = database_now()
        slots: list[datetime | None] = []
        for job in jobs:
            pace = paces.get(job.call.number_id)
            if pace is None:  # the number was removed: there is no pace left to keep
                slots.append(now)
                continue
            slot = choose_slot(pace, now=now, not_before=own_pace.next_allowed_at(job.call))
            if slot > intent_ends_at(job.call):
                # The slot stays free: it would pass unused while the intent is put back.
                slots.append(None)
                continue
            occupy_slot(pace, slot)
            own_pace.record_slot(job.call, slot)
            slots.append(slot)
        _save_paces(paces)
        own_pace.save()
    return slots


def put_back(job: Job, owner: UUID) -> bool:
    """Make an intent that was provably not sent a reserved call again; False if it has moved on."""
    # By its time too: after a lost lease the call may have another intent by now.
    mine = Q(lease_owner=owner, intent_at=job.call.intent_at)
    return PUT_BACK.move(job.call, given=mine, intent_at=None, not_after=None)


def intent_ends_at(call: Call) -> datetime:
    """Return when an intent that was not sent must be put back."""
    assert call.intent_at is not None
    return call.intent_at + INTENT_LIFETIME


def refusal_verdict(reason: str | None) -> Verdict:
    """Return the verdict on a call that was refused at the last moment, for this `end_reason`."""
    reason = reason or RELEASED.reason
    return BY_REASON.get(reason) or Verdict(
        RELEASED.outcome,
        reason,
        Blame.PLATFORM_POLICY,
        "Not dialled: " + reason.replace("_", " "),
        sent=False,
    )


def _lock_paces(jobs: Sequence[Job]) -> dict[Any, NumberPace]:
    """Lock the paces of the jobs' numbers, and read their calls per second as they are now."""
    numbers = {job.call.number_id for job in jobs if job.call.number_id}
    locked = NumberPace.unscoped.select_for_update(of=("self",)).select_related("number")
    # In one order everywhere, or two workers with the same two numbers would wait for one another.
    in_order = locked.filter(number__in=numbers).order_by("number_id")
    return {pace.number_id: pace for pace in in_order}


def _save_paces(paces: dict[Any, NumberPace]) -> None:
    for pace in paces.values():
        pace.save(update_fields=["next_slot_at"])


def _place(
    job: Job, paces: dict[Any, NumberPace], admission: Admission, pacing_round: PacingRound
) -> None:
    """Refuse the job, give it a slot within the horizon, or leave it waiting."""
    now = pacing_round.now
    pace = paces.get(job.call.number_id)
    if pace is None or not job.trunk_id:
        _refuse(job, "number_gone", pacing_round)
        return
    if reason := admission.refusal(job.call, now):
        _refuse(job, reason, pacing_round)
        return

    slot = choose_slot(pace, now=now, not_before=admission.next_allowed_at(job.call))
    if slot > now + INTENT_HORIZON:
        pacing_round.waiting.append(job)
        pacing_round.next_slot = min(slot, pacing_round.next_slot or slot)
        return
    occupy_slot(pace, slot)
    admission.record_slot(job.call, slot)
    pacing_round.sends.append((job, slot))


def _refuse(job: Job, reason: str, pacing_round: PacingRound) -> None:
    job.call.end_reason = reason
    pacing_round.refused.append(job)


def _move_to_intent(pacing_round: PacingRound, owner: UUID) -> None:
    """Compare and set. Calls that have moved meanwhile (a hang-up, an expired lease) drop out."""
    now = pacing_round.now
    ids = [job.call.pk for job, _ in pacing_round.sends]
    not_after = now + timedelta(seconds=settings.DIAL_TOKEN_SECONDS)
    mine = Call.unscoped.filter(pk__in=ids, lease_owner=owner)
    moved = COMMIT_INTENT.move_all(
        mine.filter(lease_expires_at__gt=now),
        intent_at=now,
        not_after=not_after,
        lease_expires_at=now + CALL_LEASE,
    )
    # The count does not name the calls that dropped out, so the rows are read again.
    if moved != len(ids):
        won = set(mine.filter(stage=Stage.INTENT, intent_at=now).values_list("pk", flat=True))
        pacing_round.sends = [(job, slot) for job, slot in pacing_round.sends if job.call.pk in won]
    for job, _ in pacing_round.sends:
        job.call.stage = Stage.INTENT
        job.call.intent_at = now
        job.call.not_after = not_after
