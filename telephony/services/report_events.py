"""What each event of a voice agent's report means for its call.

The call is locked while they are applied, so that nobody ends it in between.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from django.db.models import CharField, UUIDField

from telephony.domain import call_states
from telephony.domain.agent_tools import CALLBACK_TOOLS, DISPOSITION_TOOLS, OPT_OUT_TOOLS
from telephony.domain.disconnect_reasons import Ending, ending_for
from telephony.domain.late_evidence import correct_answer_time, fill_in_hangup
from telephony.domain.timeline import TICK, build_event, clamp_to_timeline
from telephony.models import Call, CallEvent, Direction, Stage, Turn
from telephony.services import dispositions
from telephony.services.callback_requests import request_callback
from telephony.services.report_texts import DETECTION_TEXTS, REPORT_TEXTS
from telephony.services.usage import record_usage
from voiceops.core import task_queue
from voiceops.db.compiled_query import CompiledQuery


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

    def timeline_time(self, event: ReportEvent) -> datetime:
        """Return where the event belongs in the timeline: never before the call or after now.

        The agent's clock may be fast or slow.
        """
        return max(min(event.at, self.now), self.call.created_at)

    def call_time(self, event: ReportEvent) -> datetime:
        """Return when the call changed: never before it was dialled or after now."""
        return max(min(event.at, self.now), self.call.intent_at or self.call.created_at)


Handler: TypeAlias = Callable[[ReportEvent, ReportContext], bool]


def apply_event(event: ReportEvent, context: ReportContext) -> bool:
    """Apply one event; returns True when it moved the call to another stage."""
    handler = REPORT_HANDLERS.get(event.type)
    return handler is not None and handler(event, context)


def is_recorded(event: ReportEvent, call: Call) -> bool:
    """Return whether the event was reported before."""
    return RECORDED.first(call_id=call.pk, external_id=event.id) is not None


RECORDED = CompiledQuery(
    lambda call_id, external_id: CallEvent.unscoped.filter(
        call_id=call_id, external_id=external_id
    ).values_list("pk"),
    call_id=UUIDField(),
    external_id=CharField(),
)


def _handle_agent_joined(event: ReportEvent, context: ReportContext) -> bool:
    # A second agent may come into a room that came back, just as the call ends.
    if context.call.agent_joined_at is not None and context.call.ended_at is not None:
        return False
    context.add_event(event, "The voice agent joined the room")
    return False


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
        context.add_event(event, record_usage(context.call, event.data, event.at))
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
        # The departure led to the end, whichever is reported first.
        ended_at = context.call.ended_at
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
    fill_in_hangup(call, by=ending.by, reason=ending.reason, at=at)
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
