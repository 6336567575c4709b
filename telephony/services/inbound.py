"""Somebody calls one of our numbers: LiveKit's dispatch rule opens a room, and its webhooks tell us of the call."""

from datetime import datetime

from telephony import inbound_rooms, lifecycle
from telephony.models import Call, Direction, InboxEvent, PhoneNumber, Stage
from telephony.services.calls import newest_version
from voiceops.ids import uuid7

WITHHELD = "anonymous"


def open_call(event: InboxEvent, *, at: datetime) -> Call | None:
    """The call of an inbound room, made at the first event of it, whichever that is. None for other rooms."""
    number_id = inbound_rooms.number_of(event.room)
    number = number_id and PhoneNumber.unscoped.select_related("inbound_agent").filter(pk=number_id).first()
    if not number:
        return None
    agent = number.inbound_agent
    call, made = Call.unscoped.get_or_create(
        room=event.room,
        defaults={
            "pk": uuid7(),
            "workspace_id": number.workspace_id,
            "direction": Direction.INBOUND,
            "stage": Stage.RINGING,
            "agent": agent,
            "agent_version": newest_version(agent) if agent else None,
            "number": number,
            "from_number": caller_of(event),
            "to_number": number.phone_number,
            "ringing_at": at,
            "heard_at": at,
        },
    )
    if made:
        lifecycle.record(call, type="ringing", text=f"{call.from_number} is calling {call.to_number}", at=at)
    return call


def caller_of(event: InboxEvent) -> str:
    """Who calls, by the SIP participant or else by the room's name; `anonymous` when they withhold it."""
    attributes = event.body.get("participant", {}).get("attributes", {})
    told = str(attributes.get("sip.phoneNumber") or event.room.partition("_")[2].rpartition("_")[0])
    return told[:64] if told.strip("+").isdigit() else WITHHELD
