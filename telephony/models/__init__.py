from telephony.models.calls import SHOWN, Call, CallQuerySet, Direction, Outcome, Stage
from telephony.models.history import CallEvent, InboxEvent, Recording, Turn
from telephony.models.numbers import NumberPace, PhoneNumber, SipTrunk

__all__ = [
    "SHOWN",
    "Call",
    "CallEvent",
    "CallQuerySet",
    "Direction",
    "InboxEvent",
    "NumberPace",
    "Outcome",
    "PhoneNumber",
    "Recording",
    "SipTrunk",
    "Stage",
    "Turn",
]
