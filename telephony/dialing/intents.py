"""What each step of a dial writes. Every function is one short transaction; none touches the
network.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from telephony.clients.livekit.dial import Answered, Lost, NeverSent
from telephony.dialing.admission import Gate
from telephony.domain import call_states
from telephony.domain.dial_verdicts import (
    BY_REASON,
    RELEASED,
    UNREACHABLE,
    UNREADABLE,
    Blame,
    DialRefusal,
    Verdict,
    classify,
    provider_code,
)
from telephony.models import Call, NumberPace, SipTrunk, Stage
from voiceops.core import crypto
from voiceops.core.clock import database_now

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)
HORIZON = timedelta(milliseconds=250)  # an intent is committed at most this long before its send
USED = 0.96  # of the calls per second: slots at exactly 1/rate would touch the limit (perf.md)


@dataclass
class Job:
    """A reserved call with all that dialling it needs."""

    call: Call
    trunk_id: str
    config: dict[str, Any] = field(repr=False)  # the frozen agent, with its secrets


@dataclass
class Intents:
    now: datetime  # by the database
    # This machine's monotonic clock just after `now` was read: sends are late rather than early.
    mark: float
    sends: list[tuple[Job, datetime]] = field(default_factory=list)
    refused: list[Job] = field(default_factory=list)
    waiting: list[Job] = field(default_factory=list)
    next_slot: datetime | None = None  # the first that lies beyond the horizon


@dataclass(frozen=True)
class Result:
    job: Job
    sent_at: datetime
    at: datetime
    answer: Answered | DialRefusal | NeverSent | Lost


def load_jobs(ids: Iterable[UUID]) -> list[Job]:
    """What the calls need. Those whose agent cannot be read are ended: it would fail at every tool
    it uses.
    """
    calls = list(
        Call.unscoped.filter(pk__in=ids).select_related("agent_version", "number").order_by("pk")
    )
    numbers = {call.number_id for call in calls if call.number_id}
    trunks = dict(
        SipTrunk.unscoped.filter(
            phone_number__in=numbers, direction=SipTrunk.TrunkDirection.OUTBOUND
        ).values_list("phone_number_id", "livekit_trunk_id")
    )
    jobs = []
    for call in calls:
        job = Job(
            call=call, trunk_id=trunks.get(call.number_id, "") if call.number_id else "", config={}
        )
        try:
            job.config = call.agent_version.config_with_secrets() if call.agent_version else {}
        except crypto.DecryptError as error:
            logger.warning("The secrets of the agent of call %s cannot be read: %s", call.pk, error)
            close_unsent([job], UNREADABLE)
        else:
            jobs.append(job)
    return jobs


def renew(owner: UUID, ids: Sequence[UUID]) -> None:
    """Say that somebody still prepares these calls, or listens for the answer to their dial."""
    held = Call.unscoped.filter(
        pk__in=ids, lease_owner=owner, stage__in=(Stage.RESERVED, *call_states.BEFORE_ANSWER)
    )
    held.update(lease_expires_at=database_now() + LEASE)


def with_agent(ids: Sequence[UUID]) -> set[UUID]:
    """Of these calls, those whose agent has reported that it is in the room."""
    return set(
        Call.unscoped.filter(pk__in=ids, agent_joined_at__isnull=False).values_list("pk", flat=True)
    )


def already_over(ids: Sequence[UUID]) -> set[UUID]:
    """Of these calls, those that ended while we still wait for the dial's answer."""
    return set(Call.unscoped.filter(pk__in=ids, stage=Stage.ENDED).values_list("pk", flat=True))


def close_unsent(jobs: Iterable[Job], verdict: Verdict) -> list[Job]:
    """End reserved calls of which nothing was sent. Returns those it ended: only their rooms may be
    deleted.
    """
    with transaction.atomic():
        now = database_now()
        return [
            j
            for j in jobs
            if call_states.mark_failed(j.call, verdict=verdict, at=now, since=(Stage.RESERVED,))
        ]


def take_intents(jobs: Sequence[Job], *, owner: UUID, gate: Gate) -> Intents:
    """Give time slots to as many of `jobs` as fall within the horizon, and commit their intents.

    Under the row locks of the numbers, so that no two machines give out the same slot, everything
    that could forbid the call is read again. When this returns, the intents are durable and the
    sends may go out at their slots.
    """
    with transaction.atomic():
        paces = lock_paces(jobs)
        admission = gate.admit([job.call for job in jobs])
        taken = Intents(now=database_now(), mark=time.monotonic())
        for job in jobs:
            allot(job, paces, admission, taken)
        commit_intents(taken, owner)
        for job in taken.refused:
            call_states.mark_failed(
                job.call, verdict=refusal_verdict(job), at=taken.now, since=(Stage.RESERVED,)
            )
        for pace in paces.values():
            pace.save(update_fields=["next_slot_at"])
        admission.save()
    return taken


def lock_paces(jobs: Sequence[Job]) -> dict[Any, NumberPace]:
    """The pace of every number these jobs call from, locked, with its calls per second as they are
    now.
    """
    numbers = {job.call.number_id for job in jobs if job.call.number_id}
    locked = NumberPace.unscoped.select_for_update(of=("self",)).select_related("number")
    return {
        pace.number_id: pace for pace in locked.filter(number__in=numbers).order_by("number_id")
    }


def spacing(pace: NumberPace) -> timedelta:
    return timedelta(seconds=1 / (USED * pace.number.calls_per_second))


def allot(job: Job, paces: dict[Any, NumberPace], admission: Any, taken: Intents) -> None:
    pace = paces.get(job.call.number_id)
    reason = (
        "number_gone"
        if pace is None or not job.trunk_id
        else admission.refusal(job.call, taken.now)
    )
    if reason is not None or pace is None:
        job.call.end_reason = reason
        taken.refused.append(job)
        return
    slot = max(
        taken.now,
        *(at for at in (pace.next_slot_at, pace.backoff_until) if at is not None),
        admission.next_allowed_at(job.call, taken.now),
    )
    if slot > taken.now + HORIZON:
        taken.waiting.append(job)
        taken.next_slot = min(slot, taken.next_slot or slot)
        return
    pace.next_slot_at = slot + spacing(pace)
    admission.record_slot(job.call, slot)
    taken.sends.append((job, slot))


def refusal_verdict(job: Job) -> Verdict:
    reason = job.call.end_reason or RELEASED.reason
    return BY_REASON.get(reason) or Verdict(
        RELEASED.outcome,
        reason,
        Blame.PLATFORM_POLICY,
        "Not dialled: " + reason.replace("_", " "),
        sent=False,
    )


def commit_intents(taken: Intents, owner: UUID) -> None:
    """The compare-and-set. Calls that somebody moved meanwhile (a hang-up, an expired lease) drop
    out.
    """
    ids = [job.call.pk for job, _ in taken.sends]
    not_after = taken.now + timedelta(seconds=settings.DIAL_TOKEN_SECONDS)
    mine = Call.unscoped.filter(pk__in=ids, lease_owner=owner)
    moved = mine.filter(stage=Stage.RESERVED, lease_expires_at__gt=taken.now).update(
        stage=Stage.INTENT,
        intent_at=taken.now,
        not_after=not_after,
        lease_expires_at=taken.now + LEASE,
    )
    if moved != len(ids):
        won = set(mine.filter(stage=Stage.INTENT, intent_at=taken.now).values_list("pk", flat=True))
        taken.sends = [(job, slot) for job, slot in taken.sends if job.call.pk in won]
    for job, _ in taken.sends:
        job.call.stage, job.call.intent_at, job.call.not_after = Stage.INTENT, taken.now, not_after


def put_back(job: Job, owner: UUID) -> bool:
    """An intent that was provably not sent (its sender came too late) is a reserved call again."""
    mine = Call.unscoped.filter(
        pk=job.call.pk, stage=Stage.INTENT, lease_owner=owner, intent_at=job.call.intent_at
    )
    moved = bool(mine.update(stage=Stage.RESERVED, intent_at=None, not_after=None))
    if moved:
        job.call.stage, job.call.intent_at, job.call.not_after = Stage.RESERVED, None, None
    return moved


def more_slots(jobs: Sequence[Job]) -> list[datetime]:
    """A slot each for sends that woke too late for their own, in the order of `jobs`."""
    with transaction.atomic():
        paces = lock_paces(jobs)
        now = database_now()
        slots = []
        for job in jobs:
            pace = paces.get(job.call.number_id) if job.call.number_id else None
            slots.append(max(now, pace.next_slot_at or now) if pace else now)
            if pace is not None:
                pace.next_slot_at = slots[-1] + spacing(pace)
        for pace in paces.values():
            pace.save(update_fields=["next_slot_at"])
    return slots


def write_results(results: Sequence[Result]) -> list[Call]:
    """Store a chunk of answers to dial requests. Returns the calls that were answered."""
    with transaction.atomic():
        fresh = Call.unscoped.in_bulk([result.job.call.pk for result in results])
        for result in results:
            if call := fresh.get(result.job.call.pk):
                write_result(call, result)
    return [call for call in fresh.values() if call.stage == Stage.IN_PROGRESS]


def write_result(call: Call, result: Result) -> None:
    answer = result.answer
    call.dialed_at = (
        result.sent_at
    )  # the agent may have told already when the callee joined: that was a moment later
    if isinstance(answer, Answered):
        call_states.mark_answered(call, at=result.at, source="dial", sip_call_id=answer.sip_call_id)
        return
    verdict, told = verdict_on(answer, call, result.at)
    if verdict.blame is Blame.DOUBT:
        logger.warning("The answer to the dial of call %s leaves it in doubt: %s", call.pk, answer)
        call.dialed_at = None
        call.move(to=Stage.UNKNOWN, since=(Stage.INTENT,), lease_expires_at=None)
        Call.unscoped.filter(pk=call.pk, stage__in=call_states.BEFORE_ANSWER).update(
            lease_expires_at=None
        )
        return
    call_states.mark_failed(call, verdict=verdict, at=result.at, source="dial", **told)


def verdict_on(
    answer: DialRefusal | NeverSent | Lost, call: Call, at: datetime
) -> tuple[Verdict, dict[str, Any]]:
    if isinstance(answer, NeverSent):
        return UNREACHABLE, {}
    if isinstance(answer, Lost):
        return BY_REASON["in_doubt"], {}
    expired = call.not_after is not None and at >= call.not_after
    told: dict[str, Any] = {"provider_code": provider_code(answer)}
    if answer.sip_code is not None:
        told |= {"sip_status_code": answer.sip_code, "sip_status": answer.sip_phrase[:255]}
    return classify(answer, token_expired=expired), told
