"""Settlement: what the end of a call means for its recipient, its batch and its number.

A call that has ended is unsettled until `settled_at` is set, in the transaction that writes what it
means. Dispatchers settle four times a second, and the sweep settles where none runs; both may run
at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, prefetch_related_objects

from agents.dispositions import consequence_of
from batches.dialing import circuit_breaker
from batches.dialing.alternative_numbers import find_next_position
from batches.dialing.callbacks import callbacks_of, plan_callback, settle_callbacks
from batches.dialing.frequency import gap_ends_at
from batches.dialing.settlement_rules import (
    BatchFacts,
    CallFacts,
    RecipientChange,
    RecipientFacts,
    decide,
    may_be_the_callees,
)
from batches.dialing.silent_calls import count_silent_sends, others_rang, recognize_ringing
from batches.domain.batch_transitions import CLEAR_TROUBLE, COMPLETE_BATCH
from batches.domain.recipient_transitions import ENTER_CALL
from batches.models import Batch, Recipient
from telephony.dialing.protocol import EVIDENCE_WAIT
from telephony.domain.dial_verdicts import AGENT_LOST, CARRIER_SILENT
from telephony.domain.late_evidence import mark_never_rang
from telephony.domain.timeline import rewrite_end_event
from telephony.models import Call, CallQuerySet, InboxEvent, Stage
from voiceops.core.clock import database_now
from voiceops.core.isolation import SetAside, run_isolated

SETTLEMENT_CHUNK_CALLS = 200
# For this long an agent repeats its report to a web server that is restarting.
AGENT_REPORT_WAIT = timedelta(seconds=20)
# For this long the agent's report or LiveKit's webhook may still show that a phone rang, that
# somebody picked up just as the dial was cancelled, or that it was a machine that answered.
LATE_EVIDENCE_WAIT = timedelta(seconds=5)
unsettleable = SetAside()
unclosable = SetAside()  # answered probes whose breakers could not be closed


@dataclass
class Settlement:
    """How many calls were settled, and how many batches completed by that."""

    calls: int = 0
    batches: int = 0


def settle_calls() -> Settlement:
    """Settle a chunk of ended calls, then complete their batches where nothing is left to do.

    A call that cannot be settled is set aside, and the others of its chunk are settled one by one.
    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    calls = run_isolated(_settle_next)
    if calls is None:
        calls = _settle_one_by_one()
    batch_ids = {call.batch_id for call in calls if call.batch_id}
    return Settlement(calls=len(calls), batches=complete_batches(batch_ids))


def _settle_next(*only: UUID) -> list[Call]:
    """Settle the calls that ended first, or those named, in one transaction; returns them."""
    with transaction.atomic():
        now = database_now()
        ready = ready_to_settle(now).order_by("ended_at")
        if only:
            ready = ready.filter(pk__in=only)
        # Those that another process has locked are being settled there.
        calls = list(ready.select_for_update(skip_locked=True)[:SETTLEMENT_CHUNK_CALLS])
        load_versions(calls)
        if calls:
            settle_chunk(calls, now)
    return calls


def _settle_one_by_one() -> list[Call]:
    """Settle a chunk in a transaction for each call, and set aside those that fail."""
    ready = ready_to_settle(database_now()).order_by("ended_at")
    settled: list[Call] = []
    for pk in list(ready.values_list("pk", flat=True)[:SETTLEMENT_CHUNK_CALLS]):
        settled += unsettleable.run(_settle_next, pk, pk) or []
    return settled


def unsettled() -> CallQuerySet:
    """Return the ended calls of recipients that are not settled yet, without those set aside."""
    ended = Call.unscoped.filter(stage=Stage.ENDED, settled_at=None).exclude(recipient_id=None)
    return ended.exclude(pk__in=set_aside) if (set_aside := unsettleable.waiting()) else ended


def ready_to_settle(now: datetime) -> CallQuerySet:
    """Return the unsettled calls whose result is complete.

    LiveKit or an operator may end a call before the agent has reported whether a human or a machine
    answered, and an agent may find out only while it hangs up. Once it has reported who hung up,
    little is still on its way.
    """
    undetected = Q(answered_at__isnull=False, detected=None)
    # A lost agent reports nothing any more.
    undetected &= ~Q(end_reason=AGENT_LOST.reason)
    without_report = Q(hung_up_by=None, ended_at__gt=now - AGENT_REPORT_WAIT)
    still_expected = undetected & (without_report | Q(ended_at__gt=now - LATE_EVIDENCE_WAIT))
    # Settled before as unanswered: the recipient must not be called again meanwhile.
    waiting = Recipient.unscoped.filter(
        pk=OuterRef("recipient_id"),
        last_call_id=OuterRef("pk"),
        status__in=Recipient.Status.waiting(),
    )
    expected = still_expected & ~Exists(waiting)
    return unsettled().exclude(expected | _may_be_corrected(now))


def _may_be_corrected(now: datetime) -> Q:
    """Return the ended calls whose end late evidence may still change."""
    silent = Q(end_reason=CARRIER_SILENT.reason, ringing_at=None)
    cancelled = Q(end_reason=AGENT_LOST.reason, answered_at=None)
    # LiveKit's webhook of the departure settles the question; it is repeated for so long.
    left = InboxEvent.objects.filter(room=OuterRef("room"), event="participant_left")
    awaits_webhook = silent & ~Exists(left) & Q(ended_at__gt=now - EVIDENCE_WAIT)
    return awaits_webhook | ((silent | cancelled) & Q(ended_at__gt=now - LATE_EVIDENCE_WAIT))


def settle_chunk(calls: Sequence[Call], now: datetime) -> None:
    """Write what these calls mean. The caller has locked them; numbers and batches are locked here,
    in this order, as everywhere.
    """
    for call in calls:
        recognize_ringing(call)
    batches = update_breakers(calls, now)
    settle_callbacks(calls, now)
    write_changes(decide_changes(calls, batches, now))
    record_dispositions(calls)
    Call.unscoped.filter(pk__in=[call.pk for call in calls]).update(settled_at=now)


def decide_changes(
    calls: Sequence[Call], batches: Mapping[Any, Batch], now: datetime
) -> dict[RecipientChange, list[UUID]]:
    """Return what the calls do to their recipients: each change with the recipients' ids."""
    recipients = Recipient.unscoped.in_bulk([call.recipient_id for call in calls])
    facts = {call.pk: call_facts(call, now) for call in calls}
    uncounted_sends = count_uncounted_sends(
        call.recipient_id for call in calls if facts[call.pk].may_be_uncounted
    )
    silent_sends = count_silent_sends(calls)
    callbacks = callbacks_of(recipients)
    changes: dict[RecipientChange, list[UUID]] = defaultdict(list)
    for call in calls:
        recipient = recipients.get(call.recipient_id)
        batch = batches.get(call.batch_id)
        # Only the recipient's latest call may move it.
        if recipient is None or batch is None or recipient.last_call_id != call.pk:
            continue
        attempts = recipient.attempts
        if recipient.status not in Recipient.Status.calling():
            if not facts[call.pk].was_answered or not _lock_if_latest(recipient, call):
                continue
            # It is settled again, because its answer was reported late, and counts once.
            attempts = call.attempt - 1
        recipient_facts = RecipientFacts(
            attempts,
            recipient.outcome,
            uncounted_sends=uncounted_sends.get(recipient.pk, 0),
            silent_sends=silent_sends.get(recipient.pk, 0),
            number_position=recipient.number_position,
            next_position=find_next_position(recipient),
        )
        batch_facts = _facts_of(batch)
        if may_be_the_callees(facts[call.pk], recipient_facts, batch_facts):
            facts[call.pk] = count_silence(call, facts[call.pk])
        change = decide(facts[call.pk], recipient_facts, batch_facts, now=now)
        change = plan_callback(change, callbacks.get(recipient.pk), batch_facts)
        changes[change].append(recipient.pk)
        record_redial(call, recipient_facts, change)
    return changes


def _facts_of(batch: Batch) -> BatchFacts:
    return BatchFacts(
        batch.retry,
        is_stopped=batch.status == Batch.Status.STOPPED,
        is_in_trouble=circuit_breaker.has_paused_itself(batch),
    )


def _lock_if_latest(recipient: Recipient, call: Call) -> bool:
    """Lock a recipient that waits or is final; False when it is being called again already."""
    rows = Recipient.unscoped.select_for_update().filter(pk=recipient.pk, last_call_id=call.pk)
    return rows.first() is not None


def count_silence(call: Call, facts: CallFacts) -> CallFacts:
    """Return the facts of a silent call once it counts as the callee's, if others' phones rang."""
    if not others_rang(call.recipient_id):
        return facts
    mark_never_rang(call)
    return replace(facts, outcome=call.outcome, counts=call.counts)


def record_redial(call: Call, recipient: RecipientFacts, change: RecipientChange) -> None:
    """Add to the end of a call that failed at the carrier again when the next one is due."""
    is_repeated = recipient.uncounted_sends > 1 and change.attempts == recipient.attempts
    if not is_repeated or change.due_at is None or call.dialed_at is None:
        return
    due = change.due_at
    rewrite_end_event(
        call,
        text_suffix=f". It costs no attempt, and the number is called again"
        f" after {due:%H:%M:%S} UTC",
        next_attempt_at=due.isoformat(),
    )


def update_breakers(calls: Sequence[Call], now: datetime) -> dict[Any, Batch]:
    """Update the breakers of the calls' numbers and batches; returns the calls' batches, locked."""
    breaker_changes = circuit_breaker.update_number_breakers(calls, now)
    concerned = Q(pk__in={call.batch_id for call in calls if call.batch_id})
    if breaker_changes.changed:
        # A number's trouble, or its end, concerns every started batch that calls from it.
        number_ids = [pace.number_id for pace in breaker_changes.changed]
        concerned |= Q(phone_number__in=number_ids, status__in=Batch.Status.started())
    locked = Batch.unscoped.select_for_update().filter(concerned).order_by("pk")
    batches = {batch.pk: batch for batch in locked}
    circuit_breaker.update_batch_breakers(batches, calls, now, breaker_changes)
    return batches


def count_uncounted_sends(recipient_ids: Iterable[UUID | None]) -> dict[Any, int]:
    """Return, by recipient, how many of its calls were sent and cost it nothing."""
    ids = list(recipient_ids)
    if not ids:
        return {}
    sent = Call.unscoped.filter(recipient_id__in=ids, counts=False).exclude(dialed_at=None)
    by_recipient = sent.order_by().values_list("recipient_id")
    return dict(by_recipient.annotate(Count("pk")))


def call_facts(call: Call, now: datetime) -> CallFacts:
    """Return the facts of an ended call. Reads when the gap ends that refused it, if one did."""
    return CallFacts(
        outcome=call.outcome,
        end_reason=call.end_reason,
        counts=call.counts,
        was_sent=call.dialed_at is not None,
        was_hung_up=call.hung_up_by is not None,
        gap_ends_at=gap_ends_at(call, now) if call.end_reason == "min_gap" else None,
        consequence=consequence_of(call.agent_version, call.disposition),
    )


def write_changes(changes: Mapping[RecipientChange, list[UUID]]) -> None:
    """Write one UPDATE for all recipients with the same change: a chunk has few different ones."""
    for change, ids in changes.items():
        columns = change.transition.columns(
            reason=change.reason,
            outcome=change.outcome,
            attempts=change.attempts,
            due_at=change.due_at,
            callback_at=change.callback_at,
        )
        if change.number_position is not None:
            columns["number_position"] = change.number_position
        Recipient.unscoped.filter(pk__in=ids).update(**columns)


def load_versions(calls: Sequence[Call]) -> None:
    """Load the agents' versions of calls with a disposition; most have none."""
    prefetch_related_objects([call for call in calls if call.disposition], "agent_version")


def record_dispositions(calls: Iterable[Call]) -> None:
    """Copy the calls' dispositions to their recipients."""
    for call in calls:
        if call.disposition is not None:
            Recipient.unscoped.filter(pk__in=[call.recipient_id], last_call_id=call.pk).update(
                disposition=call.disposition, disposition_by=call.disposition_by
            )


def mark_in_call() -> None:
    """Move recipients whose call was answered to `in_call`, and close breakers whose probe was.

    Found from the open calls, because there are few of those.
    """
    answered = Call.unscoped.filter(stage=Stage.IN_PROGRESS, recipient_id__isnull=False)
    recipient_ids = answered.values_list("recipient_id", flat=True)
    ENTER_CALL.move_all(Recipient.unscoped.filter(pk__in=list(recipient_ids)))

    # A probe proves enough when it is answered, however long the conversation lasts.
    if probes := circuit_breaker.answered_probes():
        for probe in probes:
            if probe.pk not in unclosable.waiting():
                unclosable.run(_close_breakers, probe.pk, probe)


def _close_breakers(probe: Call) -> None:
    with transaction.atomic():
        update_breakers([probe], database_now())


def complete_batches(ids: set[UUID]) -> int:
    """Complete those of the batches that have no recipient left to call and no list to read.

    Returns how many were completed.
    """
    open_recipients = Recipient.unscoped.filter(
        batch=OuterRef("pk"), status__in=Recipient.Status.open()
    )
    done = Batch.unscoped.filter(pk__in=ids, upload="").exclude(Exists(open_recipients))
    return COMPLETE_BATCH.move_all(done, ended_at=database_now(), **CLEAR_TROUBLE)


def complete_all() -> int:
    """Complete every started batch in which nothing is left to do; returns how many."""
    started = Batch.unscoped.filter(status__in=Batch.Status.started())
    return complete_batches(set(started.values_list("pk", flat=True)))
