"""What the voice agent reports on its call: sent in order, repeated after a lost answer, late when
it had to wait.

The agent is our witness: a callee it never saw was never called (dialing/reconcile.py), so
`agent_seen_at` says until when it looked, by the earlier of its clock and the database's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce, Greatest, Least, Now
from django.utils import timezone

from telephony.domain import call_states, timeline
from telephony.domain.disconnect_reasons import Ending, ending_for
from telephony.models import Call, CallEvent, Direction, Stage, Turn
from voiceops.core import task_queue
from voiceops.core.errors import NotFound

AGENT_SEEN_INTERVAL = timedelta(
    seconds=1
)  # half of the two after which an agent says that it is alive
OPT_OUT_TOOLS = (
    "opt_out",
    "do_not_call",
)  # tools by which an agent says that the callee asked not to be called again
DETECTION_TEXTS = {
    "human": "A person answered",
    "machine": "An answering machine answered",
    "uncertain": "It is unclear who answered",
    "screened": "A call screener answered",
}


@dataclass(frozen=True)
class ReportEvent:
    """One event, its shape already checked; `data` holds the fields of its type."""

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]


@dataclass
class ReportContext:
    """What a report adds to the call's history, written in one go at its end."""

    call: Call
    now: datetime
    turns: list[Turn] = field(default_factory=list)
    events: list[CallEvent] = field(default_factory=list)

    def add_event(self, event: ReportEvent, text: str, at: datetime | None = None) -> None:
        self.events.append(
            CallEvent(
                workspace_id=self.call.workspace_id,
                call=self.call,
                type=event.type,
                text=text[:500],
                at=at or self.timeline_time(event),
                data=dict(event.data),
                external_id=event.id,
            )
        )

    def timeline_time(self, event: ReportEvent) -> datetime:
        """Its place in the story: an agent whose clock is fast or slow does not tell of the time
        around the call.
        """
        return max(min(event.at, self.now), self.call.created_at)

    def call_time(self, event: ReportEvent) -> datetime:
        """When it happened: not later than now, not before the call was dialled, whatever the
        agent's clock says.
        """
        return max(min(event.at, self.now), self.call.intent_at or self.call.created_at)


def apply_report(*, call_id: UUID, events: Sequence[ReportEvent]) -> None:
    """Apply a report; events that came before change nothing. Raises NotFound when there is no such
    call.
    """
    if all(event.type == "agent_alive" and not event.data for event in events):
        if events and not touch_agent(call_id, max(event.at for event in events)):
            raise NotFound("Call not found")
        return
    call = Call.unscoped.get_or_none(
        pk=call_id
    )  # before the transaction, in which on SQLite everybody else waits
    if call is None:
        raise NotFound("Call not found")
    notes = ReportContext(call, timezone.now())
    with transaction.atomic(savepoint=False):
        moved = [apply_event(event, notes) for event in events]
        if notes.turns:
            Turn.unscoped.bulk_create(notes.turns, ignore_conflicts=True)
        if notes.events:
            CallEvent.unscoped.bulk_create(notes.events, ignore_conflicts=True)
        if not (any(moved) or call.stage == Stage.ENDED) or call.agent_joined_at is None:
            record_agent_activity(call, max(event.at for event in events))


def record_agent_activity(call: Call, at: datetime) -> None:
    """Of a call that lives, once a second is enough: what its agent says comes in bursts."""
    if call.agent_seen_at is None or at - call.agent_seen_at > AGENT_SEEN_INTERVAL:
        touch_agent(call.pk, at)


def touch_agent(call_id: UUID, at: datetime) -> bool:
    """The agent was alive in the room at that time of its clock. False when there is no such call."""
    seen = Least(Value(at, output_field=DateTimeField()), Now())
    return bool(
        Call.unscoped.filter(pk=call_id).update(
            agent_joined_at=Coalesce("agent_joined_at", Now()),
            agent_seen_at=Greatest(Coalesce(F("agent_seen_at"), seen), seen),
            heard_at=Now(),
        )
    )


def apply_event(event: ReportEvent, notes: ReportContext) -> bool:
    """True when the event moved the call on."""
    take = HANDLERS.get(event.type)
    return bool(take and take(event, notes))


def _handle_agent_joined(event: ReportEvent, notes: ReportContext) -> bool:
    notes.add_event(event, "The voice agent joined the room")
    return False


def _handle_agent_alive(event: ReportEvent, notes: ReportContext) -> bool:
    """The agent may say what it sees of the callee's leg, which tells that the phone rings: no
    webhook does.
    """
    if event.data.get("callee_status") != "ringing" or notes.call.ringing_at is not None:
        return False
    return call_states.mark_ringing(notes.call, at=notes.call_time(event), source="agent")


def _handle_callee_joined(event: ReportEvent, notes: ReportContext) -> bool:
    call = notes.call
    if call.callee_joined_at is not None:
        return False
    call_states.mark_callee_joined(call, at=notes.call_time(event), source="agent")
    if call.is_web:  # a browser has no line that rings
        call_states.mark_answered(call, at=notes.call_time(event), source="agent")
    return call.callee_joined_at is not None


def _handle_callee_answered(event: ReportEvent, notes: ReportContext) -> bool:
    """Also told by everything that only happens on an answered call, when the report of the answer
    was lost.
    """
    if notes.call.answered_at is not None:
        return False
    moved = call_states.mark_answered(notes.call, at=notes.call_time(event), source="agent")
    if moved and notes.call.direction == Direction.INBOUND:
        task_queue.enqueue_on_commit(
            task_queue.RUN_SWEEP
        )  # which starts the recording: no shift looks after this call
    return moved


def _handle_detected(event: ReportEvent, notes: ReportContext) -> bool:
    answered = _handle_callee_answered(event, notes)
    kind = event.data["kind"]
    if notes.call.detected != kind:
        call_states.mark_detected(notes.call, kind=kind, at=notes.call_time(event))
    notes.add_event(
        event,
        DETECTION_TEXTS[kind],
        at=timeline.clamp_to_timeline(notes.call, notes.timeline_time(event)),
    )
    return answered


def _handle_turn(event: ReportEvent, notes: ReportContext) -> bool:
    notes.turns.append(
        Turn(
            workspace_id=notes.call.workspace_id,
            call=notes.call,
            external_id=event.id,
            **dict(event.data),
        )
    )
    return False  # no proof of an answer: networks speak to callers before anybody picks up


def _handle_tool_call(event: ReportEvent, notes: ReportContext) -> bool:
    notes.add_event(event, f"The agent used {event.data['name']}")
    if (
        event.data["name"] in OPT_OUT_TOOLS
        and not notes.call.is_web
        and not is_recorded(event, notes.call)
    ):
        Call.unscoped.filter(pk=notes.call.pk).update(opt_out_at=notes.call_time(event))
        task_queue.enqueue_on_commit(task_queue.SUPPRESS_OPT_OUTS)
    return False


def is_recorded(event: ReportEvent, call: Call) -> bool:
    return CallEvent.unscoped.filter(call=call, external_id=event.id).exists()


def _handle_usage(event: ReportEvent, notes: ReportContext) -> bool:
    notes.add_event(event, "The agent reported its usage")
    return False


def _handle_analysis(event: ReportEvent, notes: ReportContext) -> bool:
    notes.add_event(
        event, "The agent analysed the call"
    )  # read back by services/analysis.py, and told by webhooks
    return False


def _handle_callee_left(event: ReportEvent, notes: ReportContext) -> bool:
    """The end of an answered call. Of one that was not answered it is kept as evidence: the dial's
    answer says more.
    """
    ending = ending_for(event.data["reason"])
    if _end_call(event, ending, notes):
        return True
    if notes.call.answered_at is None:
        reason = event.data["reason"].lower().replace("_", " ") or "no reason given"
        # It led to the end, which the answer to the dial may have told of first.
        at, ended_at = notes.timeline_time(event), notes.call.ended_at
        before = min(at, ended_at - timeline.TICK) if ended_at else at
        notes.add_event(event, f"The callee's line was closed ({reason})", at=before)
    return False


def _handle_ended(event: ReportEvent, notes: ReportContext) -> bool:
    return _end_call(event, ending_for(event.data["reason"]), notes)


def _end_call(event: ReportEvent, ending: Ending, notes: ReportContext) -> bool:
    call = notes.call
    answered = ending.answered and _handle_callee_answered(event, notes)
    at = notes.call_time(event)
    if call.stage == Stage.IN_PROGRESS:
        if call_states.mark_hung_up(
            call, at=at, reason=ending.reason, by=ending.by, source="agent"
        ):
            return True
        call.refresh_from_db()  # a webhook was quicker just now
    call_states.fill_in_hangup(call, by=ending.by, reason=ending.reason, at=at)
    return answered


HANDLERS = {
    "agent_joined": _handle_agent_joined,
    "agent_alive": _handle_agent_alive,
    "callee_joined": _handle_callee_joined,
    "callee_answered": _handle_callee_answered,
    "detected": _handle_detected,
    "turn": _handle_turn,
    "tool_call": _handle_tool_call,
    "usage": _handle_usage,
    "callee_left": _handle_callee_left,
    "ended": _handle_ended,
    "analysis": _handle_analysis,
}
