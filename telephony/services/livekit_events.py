"""What LiveKit's webhooks mean for a call.

They may be repeated, reordered, late or lost. One alone never ends a call that was not answered,
because the answer to the dial request carries the SIP status. Where no dispatcher waits for that
answer any more, `telephony/dialing/reconciliation.py` weighs the stored webhooks and the agent's
reports. A leg whose attributes prove that it was answered is believed at once.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from django.db import models

from telephony.clients.livekit.rooms import DEPARTURE_TIMEOUT_SECONDS
from telephony.domain import call_states, room_deletion, room_names
from telephony.domain.disconnect_reasons import ending_for
from telephony.domain.evidence import proves_answer, read_leg
from telephony.domain.late_evidence import LEFT_UNNOTICED, correct_end
from telephony.models import Call, Direction, InboxEvent, Stage
from telephony.services import inbound, recordings
from voiceops.db.compiled_query import CompiledQuery

Change: TypeAlias = Callable[[], object]
Handler: TypeAlias = Callable[[Call, Mapping[str, Any], datetime], Change | None]

PARTICIPANT_LEFT_EVENTS = ("participant_left", "participant_connection_aborted")
EGRESS_EVENTS = ("egress_started", "egress_ended")
# A leg that is replaced by itself: it goes on, in another connection of the same identity.
REPLACED_LEG_REASONS = ("DUPLICATE_IDENTITY", "MIGRATION")
ROOM_CLOSED_WHEN_IDLE = "ROOM_END_IDLE_TIMEOUT"
# LiveKit's times are whole seconds: the time of arrival is better for an event as recent as this.
CLOCK_RESOLUTION = timedelta(seconds=3)
CALL_OF_ROOM = CompiledQuery(lambda room: Call.unscoped.filter(room=room), room=models.CharField())


def room_name(body: Mapping[str, Any]) -> str:
    """Return the name of the event's room; empty when the event is about no room."""
    for part, key in (("room", "name"), ("egressInfo", "roomName")):
        found = body.get(part)
        if isinstance(found, Mapping) and isinstance(found.get(key), str):
            return str(found[key])
    return ""


def is_own_room(room: str) -> bool:
    """Return whether we named the room; a LiveKit project may serve other applications too."""
    if room_names.number_of(room) is not None:
        return True
    try:
        call_id = room.removeprefix(room_names.TEST_ROOM_PREFIX).removeprefix("vo-")
        return room.startswith("vo-") and bool(UUID(call_id))
    except ValueError:
        return False


def event_time(event: InboxEvent) -> datetime:
    """Return when it happened: LiveKit's time, or the time of arrival for a recent event.

    Raises ValueError, TypeError or OverflowError when LiveKit's time is malformed.
    """
    created_at = datetime.fromtimestamp(int(event.body.get("createdAt", 0)), UTC)
    is_recent = event.received_at - created_at < CLOCK_RESOLUTION
    return event.received_at if is_recent else created_at


def plan_change(event: InboxEvent) -> Change | None:
    """Return what the event changes, to be called in a transaction; None when it changes nothing.

    Raises what a malformed event raises: KeyError, TypeError, ValueError and the like.
    """
    return plan_change_of(event, CALL_OF_ROOM.first(room=event.room))


def plan_change_of(event: InboxEvent, call: Call | None) -> Change | None:
    """Do what `plan_change` does, with the call of the event's room, which may not exist."""
    at = event_time(event)
    if call is None:
        if room_names.number_of(event.room) is None:
            return None
        return partial(_open_inbound_call, event, at)
    if event.event in EGRESS_EVENTS:
        return partial(recordings.apply_egress, call, event.body["egressInfo"], at=at)
    handler = WEBHOOK_HANDLERS.get(event.event)
    if handler is None:
        return None
    # LiveKit's clock may be behind ours, but nothing happened before the intent.
    return handler(call, event.body, max(at, call.intent_at or call.created_at))


def _open_inbound_call(event: InboxEvent, at: datetime) -> None:
    """Create the call at the first event of its room, then apply the event to it."""
    attributes = event.body.get("participant", {}).get("attributes", {})
    if inbound.open_call(event.room, attributes=attributes, at=at) is None:
        return
    change = plan_change(event)
    if change is not None:
        change()


def _on_participant_joined(call: Call, body: Mapping[str, Any], at: datetime) -> Change | None:
    if not is_callee(call, body.get("participant", {})):
        return None
    is_known = call.callee_joined_at is not None and call.stage not in Stage.before_callee()
    if is_known and not call.is_web:
        return None
    return partial(_mark_callee_joined, call, at)


def _mark_callee_joined(call: Call, at: datetime) -> None:
    call_states.mark_callee_joined(call, at=at, source="livekit")
    # A browser does not ring: joining is answering.
    if call.is_web:
        call_states.mark_answered(call, at=at, source="livekit")


def _on_participant_left(call: Call, body: Mapping[str, Any], at: datetime) -> Change | None:
    participant = body.get("participant", {})
    reason = str(participant.get("disconnectReason", ""))
    if not is_callee(call, participant) or reason in REPLACED_LEG_REASONS:
        return None
    ending = ending_for(reason)
    if call.answered_at is None and was_answered(call, participant):
        return partial(_record_missed_answer, call, at, ending.reason)
    status = participant.get("attributes", {}).get("sip.callStatus")
    if status == "ringing" and call.ringing_at is None and call.answered_at is None:
        # Late evidence: a phone that rang was not silent for the carrier's sake.
        return partial(call_states.mark_ringing, call, at=at, source="livekit")
    return _end_call(call, at, ending.reason)


def was_answered(call: Call, participant: Mapping[str, Any]) -> bool:
    """Return whether the attributes of the call's other end prove that the call was answered."""
    leg = read_leg(participant.get("attributes") or {})
    if call.direction == Direction.INBOUND:
        # A caller's leg has its SIP ids from the start.
        return not call.is_web and leg.status == "active"
    return proves_answer(leg)


def _record_missed_answer(call: Call, at: datetime, reason: str) -> None:
    """Record answer and end of a call of which only the departure is reported."""
    call_states.mark_answered(call, at=at, source="livekit")
    if not call_states.mark_hung_up(call, at=at, reason=reason, source="livekit"):
        correct_end(call, at=at, reason=reason)


def _on_room_finished(call: Call, body: Mapping[str, Any], at: datetime) -> Change | None:
    if body.get("roomEndReason") == ROOM_CLOSED_WHEN_IDLE:
        at -= timedelta(seconds=DEPARTURE_TIMEOUT_SECONDS)
    return partial(_finish_room, call, _end_call(call, at, "room_closed"))


def _finish_room(call: Call, end_call: Change | None) -> None:
    """End an answered call with its room, which need not be deleted any more."""
    if end_call is not None:
        end_call()
    room_deletion.forget([call.pk])


def _end_call(call: Call, at: datetime, reason: str) -> Change | None:
    if call.stage == Stage.ENDED and call.end_reason == LEFT_UNNOTICED:
        return partial(correct_end, call, at=at, reason=reason)
    if call.stage != Stage.IN_PROGRESS:
        return None
    return partial(call_states.mark_hung_up, call, at=at, reason=reason, source="livekit")


def is_callee(call: Call, participant: Mapping[str, Any]) -> bool:
    """Return whether the participant is the call's other end: the telephone or the browser."""
    if call.direction == Direction.INBOUND and not call.is_web:
        return participant.get("kind") == "SIP"
    return participant.get("identity") == call.callee_identity


WEBHOOK_HANDLERS: dict[str, Handler] = {
    "participant_joined": _on_participant_joined,
    "room_finished": _on_room_finished,
    **dict.fromkeys(PARTICIPANT_LEFT_EVENTS, _on_participant_left),
}
