"""What an operator does to a call that is up: end it, transfer it, press keys."""

import time
from datetime import datetime

from accounts import audit
from accounts.auth.principal import Principal
from telephony.clients.livekit import calls as livekit_calls
from telephony.clients.livekit.rooms import list_participants
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.dialing.room_deleter import delete_rooms_now
from telephony.domain import call_states, late_evidence, timeline
from telephony.domain.dialled_form import dialled_form
from telephony.models import Call, Direction, Stage
from telephony.services.calls import require_callable
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError, StateForbids
from voiceops.core.pii import mask_number

# Twice the time after which an intent was sent or put back (telephony/dialing/protocol.py).
MAX_INTENT_SECONDS = 2.0
INTENT_POLL_SECONDS = 0.05
CALL_HAS_ENDED = "Call has ended"


def hang_up(*, call: Call, principal: Principal | None = None) -> Call:
    """End a call and return it: a queued one is never dialled, others are hung up at LiveKit.

    Raises StateForbids when the call has ended, and ProviderError when LiveKit could not be asked.
    """
    if not cancel_unanswered(call):
        end_at_livekit(call)
        record_hang_up(call, source="api")
    call.refresh_from_db()
    audit.record("call.hung_up", principal=principal, target=call)
    return call


def end_at_livekit(call: Call) -> None:
    """Delete the call's room. Raises ProviderError when LiveKit could not be asked."""
    for error in delete_rooms_now([call]).values():
        raise error


def record_hang_up(call: Call, *, source: str) -> None:
    """Record that an operator ended an answered call, also when LiveKit's webhook came first."""
    now = database_now()
    ended = call_states.mark_hung_up(
        call, at=now, reason="operator_hangup", by="operator", source=source
    )
    if not ended:
        current = Call.unscoped.get(pk=call.pk)
        late_evidence.fill_in_hangup(current, by="operator", reason="operator_hangup", at=now)


def wait_for_send(call: Call) -> None:
    """Wait until a call with an intent was sent or put back, for at most `MAX_INTENT_SECONDS`.

    A dial that is about to be sent cannot be stopped: deleting its room before would only make
    LiveKit open it again.
    """
    deadline = time.monotonic() + MAX_INTENT_SECONDS
    while call.stage == Stage.INTENT and time.monotonic() < deadline:
        time.sleep(INTENT_POLL_SECONDS)
        call.refresh_from_db()


def cancel_unanswered(call: Call) -> bool:
    """End a call that is not answered yet; returns False when it was answered meanwhile.

    Our row is ended first, because an end by LiveKit's webhook would count as the callee's, and
    the recipient would be called again. Raises StateForbids when the call has ended, and
    ProviderError when LiveKit could not be asked and the phone may ring on.
    """
    ended_at = close_unanswered(call)
    if ended_at is None:
        return False
    try:
        end_at_livekit(call)
    except ProviderError:
        # Without an intent no phone was called, and a room with only our agent closes by itself.
        if call.intent_at is not None:
            text = "The phone may still ring: LiveKit could not be asked to end the call"
            timeline.raise_alarm(call, at=ended_at, text=text, source="api")
            raise
    return True


def close_unanswered(call: Call) -> datetime | None:
    """End the row of an unanswered call; returns when it ended, None when it has been answered.

    Raises StateForbids when the call has ended already.
    """
    while True:
        wait_for_send(call)
        if call.stage == Stage.ENDED:
            raise StateForbids(CALL_HAS_ENDED)
        if call.stage == Stage.IN_PROGRESS:
            return None
        # Only from the stage that was read: a queued call may have got its intent since, and that
        # has to be waited for.
        now = database_now()
        if call_states.mark_cancelled(call, at=now, by="operator", since=(Stage(call.stage),)):
            return now
        call.refresh_from_db()


def transfer_call(*, call: Call, to: str, principal: Principal | None = None) -> Call:
    """Transfer the callee to another number (E.164), and return the call.

    Our side leaves the call as soon as the other number answers. Raises StateForbids when the
    callee is not on the line, Invalid when the other number must not be called, and ProviderError
    with the carrier's refusal.
    """
    require_phone_in_progress(call)
    require_callable(call.workspace, to)

    # Recorded before the request, so that failed transfers are in the timeline and the audit log.
    data = {"to": to}
    text = f"Transferring to {to}"
    timeline.add_event(call, type="transfer", text=text, at=database_now(), data=data)
    details = {"to": mask_number(to)}
    audit.record("call.transferred", principal=principal, target=call, changes=details)
    try:
        target = dialled_form(call.number, to) if call.number else to
        run_in_session(lambda livekit: transfer_callee_leg(livekit, call, target))
    except ProviderError as error:
        text = f"The transfer failed: {error}"
        timeline.add_event(call, type="transfer_failed", text=text, at=database_now(), data=data)
        raise
    call_states.mark_transferred(call, to=to, at=database_now())
    call.refresh_from_db()
    return call


async def transfer_callee_leg(livekit: LiveKit, call: Call, to: str) -> None:
    """Transfer the telephone's leg at LiveKit to a number in the form that its trunk dials.

    Raises StateForbids when the leg is gone, and ProviderError.
    """
    identity = await find_callee_identity(livekit, call)
    await livekit_calls.transfer_leg(livekit, room=call.room, identity=identity, to=to)


async def find_callee_identity(livekit: LiveKit, call: Call) -> str:
    """Return the identity of the telephone's participant.

    LiveKit chose it for inbound calls, so the room is asked. Raises StateForbids when the
    participant is gone, and ProviderError.
    """
    if call.direction == Direction.OUTBOUND:
        return call.callee_identity
    for participant in await list_participants(livekit, call.room):
        if participant.is_callee:
            return participant.identity
    raise StateForbids(CALL_HAS_ENDED)


def press_keys(*, call: Call, digits: str, principal: Principal | None = None) -> Call:
    """Make the agent press keys (DTMF; `w` waits half a second), and return the call.

    Raises StateForbids when no telephone is on the line, and ProviderError.
    """
    require_phone_in_progress(call)
    run_in_session(lambda livekit: livekit_calls.send_dtmf(livekit, room=call.room, digits=digits))
    text = f"Pressed {digits}"
    timeline.add_event(call, type="dtmf", text=text, at=database_now(), data={"digits": digits})
    audit.record("call.keys_pressed", principal=principal, target=call)
    return call


def require_phone_in_progress(call: Call) -> None:
    """Check that a telephone is on the line. Raises StateForbids."""
    if call.stage == Stage.ENDED:
        raise StateForbids(CALL_HAS_ENDED)
    if call.stage != Stage.IN_PROGRESS or call.is_web:
        raise StateForbids("Call is not in progress")
