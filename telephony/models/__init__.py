from telephony.models.calls import (
    PUBLIC_STATUS,
    SHOWN,
    Call,
    CallQuerySet,
    Direction,
    Outcome,
    Stage,
)
from telephony.models.events import CallEvent, Turn
from telephony.models.numbers import FAILING, NumberPace, PhoneNumber, Provider, SipTrunk, Transport
from telephony.models.recordings import Recording
from telephony.models.webhook_events import InboxEvent

__all__ = [
    "FAILING",
    "PUBLIC_STATUS",
    "SHOWN",
    "Call",
    "CallEvent",
    "CallQuerySet",
    "Direction",
    "InboxEvent",
    "NumberPace",
    "Outcome",
    "PhoneNumber",
    "Provider",
    "Recording",
    "SipTrunk",
    "Stage",
    "Transport",
    "Turn",
]
