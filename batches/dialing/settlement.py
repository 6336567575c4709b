"""What the end of a call means for the person, the batch and the number. Derived by joining, so
nothing can be missed.

A call that has ended carries `settled_at` null until this module took note of it. Shifts settle
four times a second, the sweep settles what no shift is there for; both may run at once.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from batches.dialing import circuit_breaker
from batches.dialing.frequency import gap_ends_at
from batches.dialing.retry_policy import retry_at
from batches.models import Batch, Recipient
from telephony.domain.dial_verdicts import BY_REASON, IN_DOUBT, Blame, Verdict
from telephony.models import Call, CallQuerySet, Outcome, Stage
from voiceops.core.clock import database_now

CHUNK = 200
DETECTION_WAIT = timedelta(
    seconds=20
)  # so long an agent repeats its report to a web server that starts again
# INVITEs the carrier refused for reasons of its own, after which a person is given up for this
# batch.
FREE_SENDS = 10
# How soon somebody is offered again after trouble that was not theirs, by how often it happened to
# them.
FREE_DELAYS = (1, 2, 5, 15, 60, 300)
SKIPS = {"suppressed", "window_closed", "daily_cap", "weekly_cap", "min_gap", "variables_too_long"}


@dataclass
class Settlement:
    calls: int = 0
    batches: int = 0


def unsettled() -> CallQuerySet:
    return Call.unscoped.filter(stage=Stage.ENDED, settled_at=None).exclude(recipient_id=None)


def ready_to_settle(now: datetime) -> CallQuerySet:
    """Those that can be settled. LiveKit may tell of the end before the agent's word of what
    answered has come in.

    Who hung up is the agent's last word: when that is known, nothing is to come.
    """
    silent = Q(answered_at__isnull=False, detected=None, hung_up_by=None)
    unclear = silent & Q(ended_at__gt=now - DETECTION_WAIT)
    return unsettled().exclude(unclear)


def settle_calls() -> Settlement:
    """Take note of a chunk of ended calls; complete batches in which nothing is left to do."""
    with transaction.atomic():
        now = database_now()
        calls = list(
            ready_to_settle(now).order_by("ended_at").select_for_update(skip_locked=True)[:CHUNK]
        )
        if calls:
            settle_chunk(calls, now)
    return Settlement(
        calls=len(calls),
        batches=complete_batches({call.batch_id for call in calls if call.batch_id}),
    )


def settle_chunk(calls: Sequence[Call], now: datetime) -> None:
    batches = update_breakers(calls, now)
    people = Recipient.unscoped.in_bulk([call.recipient_id for call in calls])
    touched = []
    for call in calls:
        person, batch = people.get(call.recipient_id), batches.get(call.batch_id)
        if person is not None and batch is not None and person.last_call_id == call.pk:
            apply_result(person, batch, call, now)
            touched.append(person)
    bulk_update_grouped(touched, ("status", "reason", "attempts", "outcome", "due_at"))
    Call.unscoped.filter(pk__in=[call.pk for call in calls]).update(settled_at=now)


def update_breakers(calls: Sequence[Call], now: datetime) -> dict[Any, Batch]:
    """Tell numbers and batches what their calls say of the line. Returns the calls' batches,
    locked.
    """
    news = circuit_breaker.update_number_breakers(calls, now)
    concerned = Q(pk__in={call.batch_id for call in calls if call.batch_id})
    if news.changed:
        concerned |= Q(
            phone_number__in=[pace.number_id for pace in news.changed],
            status__in=Batch.Status.started(),
        )
    batches = {b.pk: b for b in Batch.unscoped.select_for_update().filter(concerned).order_by("pk")}
    circuit_breaker.update_batch_breakers(batches, calls, now, news)
    return batches


def apply_result(person: Recipient, batch: Batch, call: Call, now: datetime) -> None:
    """Move a person on after their call. `reason` and `outcome` tell why, for every state."""
    verdict = BY_REASON.get(call.end_reason or "")
    if call.end_reason in SKIPS:
        defer_or_skip(person, batch, call, now)
    elif verdict is IN_DOUBT:
        person.status, person.reason, person.outcome = (
            Recipient.Status.REVIEW,
            IN_DOUBT.reason,
            call.outcome,
        )
    elif call.outcome in (Outcome.ANSWERED, Outcome.VOICEMAIL):
        answered(person, batch, call, now)
    elif call.outcome == Outcome.CANCELLED and call.hung_up_by is not None:
        person.status, person.reason = Recipient.Status.CANCELLED, call.end_reason
        person.outcome, person.attempts = call.outcome, person.attempts + bool(call.dialed_at)
    elif call.counts and verdict is not None:
        count_attempt(person, batch, call, now)
    else:
        requeue_free(person, batch, call, verdict, now)


def answered(person: Recipient, batch: Batch, call: Call, now: datetime) -> None:
    """Reached; a machine may be tried again where the batch says so."""
    again = retry_at(
        retry=batch.retry, attempts=person.attempts + 1, outcome=call.outcome or "", now=now
    )
    if again is not None:
        count_attempt(person, batch, call, now)
        return
    person.attempts += 1
    person.status, person.reason, person.outcome = Recipient.Status.COMPLETED, None, call.outcome


def count_attempt(person: Recipient, batch: Batch, call: Call, now: datetime) -> None:
    """An attempt the callee answered for: again later, or that was it."""
    person.attempts += 1
    person.outcome, person.reason = call.outcome, call.end_reason
    again = retry_at(
        retry=batch.retry, attempts=person.attempts, outcome=call.outcome or "", now=now
    )
    if again is None:
        person.status = Recipient.Status.FAILED
    elif batch.status == Batch.Status.STOPPED:
        person.status = Recipient.Status.CANCELLED
    else:
        person.status, person.due_at = Recipient.Status.RETRYING, again


def requeue_free(
    person: Recipient, batch: Batch, call: Call, verdict: Verdict | None, now: datetime
) -> None:
    """Nobody's attempt: never sent, or trouble of the trunk, the carrier or the platform. Costs the
    person nothing.
    """
    person.outcome = call.outcome if call.dialed_at else person.outcome
    if batch.status == Batch.Status.STOPPED:
        person.status, person.reason = Recipient.Status.CANCELLED, "batch_stopped"
        return
    refused = (
        Call.unscoped.filter(recipient_id=person.pk, counts=False).exclude(dialed_at=None).count()
    )
    if refused >= FREE_SENDS:
        person.status, person.reason = Recipient.Status.FAILED, call.end_reason
        return
    person.status = Recipient.Status.RETRYING if person.attempts else Recipient.Status.PENDING
    person.reason = (
        call.end_reason
        if verdict is not None and verdict.blame is not Blame.PLATFORM_POLICY
        else None
    )
    often = min(
        max(refused, 1), len(FREE_DELAYS)
    )  # what was never sent waits no longer than after a first refusal
    delay = (
        0 if verdict is None or verdict.blame is Blame.PLATFORM_POLICY else FREE_DELAYS[often - 1]
    )
    person.due_at = now + timedelta(seconds=delay)


def defer_or_skip(person: Recipient, batch: Batch, call: Call, now: datetime) -> None:
    """The gate said no. A closed window or a gap that passes is waited for; the rest is a reason
    not to call.
    """
    if call.end_reason in ("window_closed", "min_gap") and batch.status != Batch.Status.STOPPED:
        person.status = Recipient.Status.RETRYING if person.attempts else Recipient.Status.PENDING
        again = (
            gap_ends_at(call, now) if call.end_reason == "min_gap" else now + timedelta(seconds=60)
        )
        person.due_at, person.reason = again, call.end_reason
    else:
        person.status, person.reason = Recipient.Status.SKIPPED, call.end_reason


def mark_in_call() -> None:
    """People whose call has been answered are in a call. Found from the calls: of those few are
    open.
    """
    talking = Call.unscoped.filter(stage=Stage.IN_PROGRESS, recipient_id__isnull=False).values_list(
        "recipient_id", flat=True
    )
    people = Recipient.unscoped.filter(pk__in=list(talking), status=Recipient.Status.DIALING)
    people.update(status=Recipient.Status.IN_CALL)
    if probes := circuit_breaker.answered_probes():
        with transaction.atomic():
            update_breakers(probes, database_now())


def complete_batches(ids: set[UUID]) -> int:
    """Of these batches, end those that have nobody left to call, nor a list that is still being
    read.
    """
    open_people = Recipient.unscoped.filter(
        batch=OuterRef("pk"), status__in=Recipient.Status.open()
    )
    done = Batch.unscoped.filter(pk__in=ids, status__in=Batch.Status.started(), upload="").exclude(
        Exists(open_people)
    )
    return done.update(
        status=Batch.Status.COMPLETED,
        ended_at=database_now(),
        error=None,
        probe_at=None,
        probe_call_id=None,
    )


def complete_all() -> int:
    return complete_batches(
        set(Batch.unscoped.filter(status__in=Batch.Status.started()).values_list("pk", flat=True))
    )


def bulk_update_grouped(people: Sequence[Recipient], fields: tuple[str, ...]) -> None:
    """One UPDATE for all who moved to the same state: a chunk has few of those, and a CASE per row
    costs more.
    """
    alike: dict[tuple[Any, ...], list[UUID]] = defaultdict(list)
    for person in people:
        alike[tuple(getattr(person, name) for name in fields)].append(person.pk)
    for values, ids in alike.items():
        Recipient.unscoped.filter(pk__in=ids).update(**dict(zip(fields, values, strict=True)))
