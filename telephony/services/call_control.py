"""What a person does to a call that is up: end it, hand it on, press keys."""

import time
from datetime import datetime

from accounts import audit
from accounts.auth.principal import Principal
from telephony.clients.livekit import calls as livekit_calls
from telephony.clients.livekit.rooms import delete_room, list_participants
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.domain import call_states, timeline
from telephony.models import Call, Direction, Stage
from telephony.services.calls import require_callable
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError, StateForbids
from voiceops.core.pii import mask_number

# Seconds an intent lasts at most before its dial is sent or dropped (dialing/engine.py, STALE).
MAX_INTENT_SECONDS = 2.0
INTENT_POLL_SECONDS = 0.05
CALL_HAS_ENDED = "Call has ended"


def hang_up(*, call: Call, principal: Principal | None = None) -> Call:
    """End a call: one that waits is never dialled, one that rings or talks is hung up at LiveKit.

    Raises StateForbids when it has ended, ProviderError when LiveKit could not be asked.
    """
    if not cancel_unanswered(call):
        run_in_session(lambda livekit: delete_room(livekit, call.room))
        record_hang_up(call, source="api")
    call.refresh_from_db()
    audit.record("call.hung_up", principal=principal, target=call)
    return call


def record_hang_up(call: Call, *, source: str) -> None:
    """An answered call's room was deleted for an operator; LiveKit's news of it may have come
    before us.
    """
    now = database_now()
    if not call_states.mark_hung_up(
        call, at=now, reason="operator_hangup", by="operator", source=source
    ):
        call_states.fill_in_hangup(
            Call.unscoped.get(pk=call.pk), by="operator", reason="operator_hangup", at=now
        )


def wait_for_send(call: Call) -> None:
    """A dial that is about to be sent cannot be stopped any more; deleting its room now would only
    open it again.
    """
    ends_at = time.monotonic() + MAX_INTENT_SECONDS
    while call.stage == Stage.INTENT and time.monotonic() < ends_at:
        time.sleep(INTENT_POLL_SECONDS)
        call.refresh_from_db()


def cancel_unanswered(call: Call) -> bool:
    """End a call that was not answered yet; False when it has been meanwhile.

    Our row first: an end by LiveKit's news would count as the callee's, and they would be called
    again.
    """
    now = close_unanswered(call)
    if now is None:
        return False
    try:
        run_in_session(lambda livekit: delete_room(livekit, call.room))
    except ProviderError:
        if (
            call.intent_at is not None
        ):  # else nobody was called, and the room with our agent in it closes by itself
            text = "The phone may ring on: LiveKit could not be asked to end the call"
            timeline.raise_alarm(call, at=now, text=text, source="api")
            raise
    return True


def close_unanswered(call: Call) -> datetime | None:
    """When our row ended; None when the callee has answered. Raises StateForbids when it has ended
    already.

    Only from the stage that was seen: a queued call may be on its way to be sent, and then that is
    waited for.
    """
    while True:
        wait_for_send(call)
        if call.stage == Stage.ENDED:
            raise StateForbids(CALL_HAS_ENDED)
        if call.stage == Stage.IN_PROGRESS:
            return None
        now = database_now()
        if call_states.mark_cancelled(call, at=now, by="operator", since=(Stage(call.stage),)):
            return now
        call.refresh_from_db()


def transfer_call(*, call: Call, to: str, principal: Principal | None = None) -> Call:
    """Hand the callee to another number; our side is out of the call once that one answers.

    Raises StateForbids when the callee is not on the line, Invalid when the other number must not
    be called, ProviderError with the carrier's refusal.
    """
    require_phone_in_progress(call)
    require_callable(call.workspace, to)
    now = database_now()
    timeline.add_event(call, type="transfer", text=f"Transferring to {to}", at=now, data={"to": to})
    audit.record(
        "call.transferred", principal=principal, target=call, changes={"to": mask_number(to)}
    )
    try:
        run_in_session(lambda livekit: transfer_callee_leg(livekit, call, to))
    except ProviderError as error:
        text = f"The transfer failed: {error}"
        timeline.add_event(
            call, type="transfer_failed", text=text, at=database_now(), data={"to": to}
        )
        raise
    call_states.mark_transferred(call, to=to, at=database_now())
    call.refresh_from_db()
    return call


async def transfer_callee_leg(livekit: LiveKit, call: Call, to: str) -> None:
    await livekit_calls.transfer_leg(
        livekit, room=call.room, identity=await find_callee_identity(livekit, call), to=to
    )


async def find_callee_identity(livekit: LiveKit, call: Call) -> str:
    """The telephone's participant: of an inbound call LiveKit chose its name. Raises StateForbids
    when it is gone.
    """
    if call.direction == Direction.OUTBOUND:
        return call.callee_identity
    there = await list_participants(livekit, call.room)
    identity = next((participant.identity for participant in there if participant.is_callee), None)
    if identity is None:
        raise StateForbids(CALL_HAS_ENDED)
    return identity


def press_keys(*, call: Call, digits: str, principal: Principal | None = None) -> Call:
    """Let the agent press keys (DTMF; `w` waits half a second). Raises StateForbids, ProviderError."""
    require_phone_in_progress(call)
    run_in_session(lambda livekit: livekit_calls.send_dtmf(livekit, room=call.room, digits=digits))
    timeline.add_event(
        call, type="dtmf", text=f"Pressed {digits}", at=database_now(), data={"digits": digits}
    )
    audit.record("call.keys_pressed", principal=principal, target=call)
    return call


def require_phone_in_progress(call: Call) -> None:
    if call.stage == Stage.ENDED:
        raise StateForbids(CALL_HAS_ENDED)
    if call.stage != Stage.IN_PROGRESS or call.is_web:
        raise StateForbids("Call is not in progress")
