from telephony.models.calls import (
    LISTED,
    PUBLIC_STATUS,
    Call,
    CallQuerySet,
    Direction,
    Outcome,
    Stage,
)
from telephony.models.events import CallEvent, Turn
from telephony.models.hourly_calls import (
    HourlyCalls,
    HourlyCursor,
    HourlyLatency,
    mark_for_recount,
)
from telephony.models.numbers import (
    FAILING,
    Codec,
    DialFormat,
    NumberPace,
    PhoneNumber,
    Provider,
    SipTrunk,
    Transport,
)
from telephony.models.recordings import Recording
from telephony.models.webhook_events import InboxEvent

__all__ = [
    "FAILING",
    "LISTED",
    "PUBLIC_STATUS",
    "Call",
    "CallEvent",
    "CallQuerySet",
    "Codec",
    "DialFormat",
    "Direction",
    "HourlyCalls",
    "HourlyCursor",
    "HourlyLatency",
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
    "mark_for_recount",
]
