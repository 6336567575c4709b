"""What the voice agent reports on its call: in order, but possibly repeated or late.

The agent is the witness of a dial: a callee that it never saw was never called
(`telephony/dialing/reconciliation.py`). `agent_seen_at` is the latest time up to which it watched,
by the earlier of its own clock and the database's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from django.db import transaction
from django.db.models import Case, DateTimeField, F, QuerySet, UUIDField, When
from django.db.models.functions import Coalesce, Greatest, Least, Now
from django.utils import timezone

from telephony.domain import call_states
from telephony.domain.agent_tools import CALLBACK_TOOLS, DISPOSITION_TOOLS, OPT_OUT_TOOLS
from telephony.domain.disconnect_reasons import Ending, ending_for
from telephony.domain.late_evidence import correct_answer_time
from telephony.domain.timeline import TICK, build_event, clamp_to_timeline, move_before_end
from telephony.models import Call, CallEvent, Direction, Stage, Turn
from telephony.services import dispositions
from telephony.services.callback_requests import request_callback
from telephony.services.report_texts import DETECTION_TEXTS, REPORT_TEXTS
from telephony.services.usage import record_turn_latency, record_usage
from voiceops.core import task_queue
from voiceops.core.errors import NotFound
from voiceops.db.compiled_query import CompiledQuery
from voiceops.db.compiled_writes import CompiledUpdate, insert_rows

# Half of the two seconds after which an agent reports that it is alive.
AGENT_SEEN_INTERVAL = timedelta(seconds=1)


@dataclass(frozen=True)
class ReportEvent:
    """One event of a report, with a validated shape; `data` holds the fields of its type."""

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]


@dataclass
class ReportContext:
    """The call of a report, and the rows that the report adds, written together at its end."""

    call: Call
    now: datetime
    turns: list[Turn] = field(default_factory=list)
    events: list[CallEvent] = field(default_factory=list)

    def add_event(self, event: ReportEvent, text: str, at: datetime | None = None) -> None:
        """Add an event to the timeline, to be saved with the rest of the report."""
        self.events.append(
            build_event(
                self.call,
                type=event.type,
                text=text,
                at=at or self.timeline_time(event),
                data=dict(event.data),
                external_id=event.id,
            )
        )

    def save(self) -> None:
        """Write the rows of the report."""
        insert_rows(self.turns, ignore_conflicts=True)
        record_turn_latency(self.call, self.turns)
        if self.events:
            insert_rows(self.events, ignore_conflicts=True)
            if self.call.ended_at is not None:
                move_before_end(self.call, self.call.ended_at)

    def timeline_time(self, event: ReportEvent) -> datetime:
        """Return where the event belongs in the timeline: never before the call or after now.

        The agent's clock may be fast or slow.
        """
        return max(min(event.at, self.now), self.call.created_at)

    def call_time(self, event: ReportEvent) -> datetime:
        """Return when the call changed: never before it was dialled or after now."""
        return max(min(event.at, self.now), self.call.intent_at or self.call.created_at)


Handler: TypeAlias = Callable[[ReportEvent, ReportContext], bool]


def apply_report(*, call_id: UUID, events: Sequence[ReportEvent]) -> bool:
    """Apply a report, of which repeated events change nothing. Returns whether the call goes on.

    On a call that had ended before, only late evidence is kept: what was said, detected, used and
    analysed, an opt-out, and who hung up. The agent itself has no business in the room any more.
    Raises NotFound when there is no such call.
    """
    # Most reports are only signs of life, and cost one UPDATE without reading the call.
    if all(event.type == "agent_alive" and not event.data for event in events):
        return _apply_signs_of_life(call_id, events)

    # Before the transaction, because an open transaction blocks every other writer on SQLite.
    call = CALL_OF_REPORT.first(pk=call_id)
    if call is None:
        raise NotFound("Call not found")
    was_open = call.stage != Stage.ENDED
    if not was_open:
        events = [event for event in events if is_late_evidence(event)]
    context = ReportContext(call, timezone.now())
    with transaction.atomic(savepoint=False):
        moved = [apply_event(event, context) for event in events]
        context.save()

        is_alive = any(map(is_sign_of_life, events))
        # Moving a call already touches it, and of an ended call the agent's presence is irrelevant.
        is_touched = any(moved) and not is_alive
        if was_open and (not is_touched or call.agent_joined_at is None):
            record_agent_activity(call, max(event.at for event in events), is_alive=is_alive)
    return was_open


def _apply_signs_of_life(call_id: UUID, events: Sequence[ReportEvent]) -> bool:
    if not events or touch_agent(call_id, max(event.at for event in events), is_alive=True):
        return True
    if not Call.unscoped.filter(pk=call_id).exists():
        raise NotFound("Call not found")
    return False


def is_late_evidence(event: ReportEvent) -> bool:
    """Return whether the event may still say something about a call that has ended.

    An agent's presence does not: the room may have come back with a new agent in it, when two
    requests deleted it at once (`docs/reference/protocols.md §2.1`).
    """
    if event.type == "agent_alive":
        return event.data.get("callee_status") == "ringing"
    return event.type != "agent_joined"


def is_sign_of_life(event: ReportEvent) -> bool:
    """Return whether the event shows that this agent reports by itself that it is alive.

    An agent that does so only when the phone rings must not be missed afterwards.
    """
    return event.type == "agent_alive" and event.data.get("callee_status") != "ringing"


def record_agent_activity(call: Call, at: datetime, *, is_alive: bool = False) -> None:
    """Record that the agent is alive, once a second at most: reports come in bursts."""
    is_recent = call.agent_seen_at is not None and at - call.agent_seen_at <= AGENT_SEEN_INTERVAL
    if is_alive or not is_recent:
        touch_agent(call.pk, at, is_alive=is_alive)


def touch_agent(call_id: UUID, at: datetime, *, is_alive: bool = False) -> bool:
    """Record that the agent was in the room at `at`, by its clock; False when no call is open.

    `is_alive`: this agent reports regularly, so that its silence will mean something.
    """
    update = AGENT_ALIVE if is_alive else AGENT_SEEN
    return bool(update.run(pk=call_id, at=at))


def _build_touch(pk: Any, at: Any, *, is_alive: bool) -> tuple[QuerySet[Call], dict[str, Any]]:
    seen_at = Least(at, Now())
    changes = {
        "agent_joined_at": Coalesce("agent_joined_at", Now()),
        # Late reports must not move the time back.
        "agent_seen_at": Greatest(Coalesce(F("agent_seen_at"), seen_at), seen_at),
        # By the database's clock, because the agent's may be slow by more than its longest silence.
        "agent_heard_at": Now()
        if is_alive
        else Case(When(agent_heard_at__isnull=False, then=Now())),
        "heard_at": Now(),
    }
    return Call.unscoped.open().filter(pk=pk), changes


AGENT_ALIVE, AGENT_SEEN = (
    CompiledUpdate(partial(_build_touch, is_alive=is_alive), pk=UUIDField(), at=DateTimeField())
    for is_alive in (True, False)
)
CALL_OF_REPORT = CompiledQuery(lambda pk: Call.unscoped.filter(pk=pk), pk=UUIDField())


def apply_event(event: ReportEvent, context: ReportContext) -> bool:
    """Apply one event; returns True when it moved the call to another stage."""
    handler = REPORT_HANDLERS.get(event.type)
    return handler is not None and handler(event, context)


def is_recorded(event: ReportEvent, call: Call) -> bool:
    """Return whether the event was reported before."""
    return CallEvent.unscoped.filter(call=call, external_id=event.id).exists()


def _handle_agent_joined(event: ReportEvent, context: ReportContext) -> bool:
    # A second agent may come into a room that came back, just as the call ends.
    if context.call.agent_joined_at is not None and _lock_end(context.call) is not None:
        return False
    context.add_event(event, "The voice agent joined the room")
    return False


def _lock_end(call: Call) -> datetime | None:
    """Return when the call ended, and let nobody end it before this report is stored."""
    rows = Call.unscoped.select_for_update().filter(pk=call.pk)
    return rows.values_list("ended_at", flat=True).get()


def _handle_agent_alive(event: ReportEvent, context: ReportContext) -> bool:
    """Mark the call as ringing when the agent sees that it rings, which no webhook reports."""
    is_ringing = event.data.get("callee_status") == "ringing"
    if not is_ringing or context.call.ringing_at is not None:
        return False
    return call_states.mark_ringing(context.call, at=context.call_time(event), source="agent")


def _handle_callee_joined(event: ReportEvent, context: ReportContext) -> bool:
    call = context.call
    if call.callee_joined_at is not None:
        return False
    at = context.call_time(event)
    call_states.mark_callee_joined(call, at=at, source="agent")
    # A browser does not ring: joining is answering.
    if call.is_web:
        call_states.mark_answered(call, at=at, source="agent")
    return call.callee_joined_at is not None


def _handle_callee_answered(event: ReportEvent, context: ReportContext) -> bool:
    """Mark the call as answered.

    Other handlers call this for events that only happen on an answered call, in case the report of
    the answer was lost.
    """
    call = context.call
    if call.answered_at is not None:
        correct_answer_time(call, at=context.call_time(event))
        return False
    moved = call_states.mark_answered(call, at=context.call_time(event), source="agent")
    # No dispatcher follows an inbound call, so that the sweep has to start its recording.
    if moved and call.direction == Direction.INBOUND:
        task_queue.enqueue_on_commit(task_queue.RUN_SWEEP)
    return moved


def _handle_detected(event: ReportEvent, context: ReportContext) -> bool:
    answered = _handle_callee_answered(event, context)
    kind = event.data["kind"]
    # A repeated report must not undo what was detected since.
    known = context.call.detected
    if known != kind and (known is None or not is_recorded(event, context.call)):
        call_states.mark_detected(context.call, kind=kind, at=context.call_time(event))
    at = clamp_to_timeline(context.call, context.timeline_time(event))
    context.add_event(event, DETECTION_TEXTS[kind], at=at)
    return answered


def _handle_turn(event: ReportEvent, context: ReportContext) -> bool:
    context.turns.append(
        Turn(
            workspace_id=context.call.workspace_id,
            call=context.call,
            external_id=event.id,
            **dict(event.data),
        )
    )
    # Speech proves no answer: networks play announcements before the callee picks up.
    return False


def _handle_tool_call(event: ReportEvent, context: ReportContext) -> bool:
    call = context.call
    name = event.data["name"]
    text = f"The agent used {name}"
    arguments = event.data.get("arguments")
    if name in CALLBACK_TOOLS and isinstance(arguments, Mapping) and not is_recorded(event, call):
        text += f". {request_callback(call, arguments)}"
    context.add_event(event, text)
    # A repeated report must not request the suppression again after it was carried out.
    if name in DISPOSITION_TOOLS and isinstance(arguments, Mapping):
        given = arguments.get("name") or arguments.get("disposition")
        _set_disposition(event, context, given, by=dispositions.AGENT)
    if name in OPT_OUT_TOOLS and not call.is_web and not is_recorded(event, call):
        Call.unscoped.filter(pk=call.pk).update(opt_out_at=context.call_time(event))
        task_queue.enqueue_on_commit(task_queue.SUPPRESS_OPT_OUTS)
    return False


def _handle_disposition(event: ReportEvent, context: ReportContext) -> bool:
    _set_disposition(event, context, event.data["name"], by=dispositions.AGENT)
    return False


def _set_disposition(event: ReportEvent, context: ReportContext, name: object, *, by: str) -> None:
    """Set the disposition that an event names. A repeated report must not set it again."""
    call = context.call
    if is_recorded(event, call):
        return
    was_set = dispositions.record_reported(
        call,
        name=name,
        by=by,
        at=context.call_time(event),
        remark=str(event.data.get("note") or ""),
        report_id=event.id if event.type == "disposition" else None,
    )
    if event.type == "disposition" and not was_set:
        context.add_event(event, f"The agent reported a disposition that was not accepted: {name}")


def _handle_callback(event: ReportEvent, context: ReportContext) -> bool:
    if not is_recorded(event, context.call):
        context.add_event(event, request_callback(context.call, event.data))
    return False


def _handle_usage(event: ReportEvent, context: ReportContext) -> bool:
    # A repeated report must not undo what was reported since.
    if not is_recorded(event, context.call):
        context.add_event(event, record_usage(context.call, event.data))
    return False


def _record_event(event: ReportEvent, context: ReportContext) -> bool:
    """Add an event to the timeline that changes nothing else."""
    context.add_event(event, REPORT_TEXTS[event.type](event.data))
    return False


def _handle_analysis(event: ReportEvent, context: ReportContext) -> bool:
    """Add the analysis to the timeline, from which the API and webhooks read it."""
    if event.data["fields"].get("callback_at") and not is_recorded(event, context.call):
        request_callback(context.call, event.data["fields"])
    if found := event.data["fields"].get("disposition"):
        _set_disposition(event, context, found, by=dispositions.ANALYSIS)
    context.add_event(event, "The agent analysed the call")
    return False


def _handle_callee_left(event: ReportEvent, context: ReportContext) -> bool:
    """End an answered call.

    Of an unanswered call it is kept as evidence, because the answer to the dial decides.
    """
    if _end_call(event, ending_for(event.data["reason"]), context):
        return True
    if context.call.answered_at is None:
        reason = event.data["reason"].lower().replace("_", " ") or "no reason given"
        text = f"The callee's line was closed ({reason})"
        at = clamp_to_timeline(context.call, context.timeline_time(event))
        # The answer to the dial may end the call at this very moment, and the departure led to the
        # end, whichever is reported first.
        ended_at = _lock_end(context.call)
        before_end = min(at, ended_at - TICK) if ended_at else at
        context.add_event(event, text, at=before_end)
    return False


def _handle_ended(event: ReportEvent, context: ReportContext) -> bool:
    return _end_call(event, ending_for(event.data["reason"]), context)


def _end_call(event: ReportEvent, ending: Ending, context: ReportContext) -> bool:
    call = context.call
    answered = ending.answered and _handle_callee_answered(event, context)
    at = context.call_time(event)
    if call.stage == Stage.IN_PROGRESS:
        if call_states.mark_hung_up(
            call, at=at, reason=ending.reason, by=ending.by, source="agent"
        ):
            return True
        # A webhook ended the call a moment before.
        call.refresh_from_db()
    call_states.fill_in_hangup(call, by=ending.by, reason=ending.reason, at=at)
    return answered


REPORT_HANDLERS: dict[str, Handler] = {
    "agent_joined": _handle_agent_joined,
    "agent_alive": _handle_agent_alive,
    "callee_joined": _handle_callee_joined,
    "callee_answered": _handle_callee_answered,
    "detected": _handle_detected,
    "turn": _handle_turn,
    "tool_call": _handle_tool_call,
    "usage": _handle_usage,
    **dict.fromkeys(REPORT_TEXTS, _record_event),
    "disposition": _handle_disposition,
    "callback": _handle_callback,
    "callee_left": _handle_callee_left,
    "ended": _handle_ended,
    "analysis": _handle_analysis,
}
