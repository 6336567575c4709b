"""Calls whose answer was lost, and what is known of them, for the tests of reconciliation."""

from datetime import datetime, timedelta
from typing import Any

from accounts.models import Workspace
from telephony.clients.livekit.rooms import Participant
from telephony.models import Call, InboxEvent, Stage
from tests import make
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7

FENCE = timedelta(seconds=60)


def in_doubt(of: Workspace, **fields: Any) -> Call:
    """A call whose intent is two minutes old and whose answer was lost."""
    intent_at = database_now() - timedelta(minutes=2)
    values = {"stage": Stage.UNKNOWN, "intent_at": intent_at, "heard_at": intent_at, **fields}
    return make.call(of, **values)


def just_now() -> datetime:
    """A moment after which no latest end has come."""
    return database_now() - timedelta(seconds=20)


def callee(call: Call, status: str) -> Participant:
    return Participant(call.callee_identity, {"sip.callStatus": status}, is_callee=True)


def webhook(call: Call, event: str, created: int = 0, **participant: Any) -> None:
    InboxEvent.objects.create(
        event_id=f"EV_{uuid7().hex}",
        event=event,
        room=call.room,
        body={
            "participant": {"identity": call.callee_identity, **participant},
            "createdAt": str(created),
        },
        received_at=database_now(),
    )


def witness(call: Call, *, joined: float, seen: float) -> Call:
    """The call with an agent that was seen from `joined` to `seen` seconds after the intent."""
    assert call.intent_at is not None
    call.agent_joined_at = call.intent_at + timedelta(seconds=joined)
    call.agent_seen_at = call.intent_at + timedelta(seconds=seen)
    return call
