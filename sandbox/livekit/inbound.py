"""Inbound calls: matching trunk and dispatch rule, the participant and the room
(docs/reference/protocols.md §1.4).
"""

import hashlib
from dataclasses import dataclass

from livekit.protocol import models, sip
from livekit.protocol.room import CreateRoomRequest

from sandbox.ids import new_livekit_id, random_name
from sandbox.livekit.calls import (
    CALL_STATUS_ATTRIBUTE,
    DEFAULT_RINGING_TIMEOUT_SECONDS,
    MAX_CALL_SECONDS,
    Call,
    Calls,
    Dial,
)
from sandbox.livekit.dispatch_rules import DispatchRules, room_name_for
from sandbox.livekit.rooms import Rooms
from sandbox.phones.callee import caller_of_number

NO_RULE = "Does not match Trunks or Dispatch Rules"


class UnmatchedCallError(Exception):
    """No trunk or rule matches; the caller gets 404 with this phrase, after 100 and 180."""


@dataclass
class InboundCalls:
    """Calls from the telephone network to numbers of inbound trunks."""

    rooms: Rooms
    calls: Calls
    rules: DispatchRules

    def start(self, *, caller: str, called: str, pin: str = "") -> Call:
        """Start an inbound call, which rings when this returns.

        Raises UnmatchedCallError when no trunk or rule matches, TwirpError when the room is full.
        """
        trunk = self.rules.match_trunk(caller=caller, called=called)
        if trunk is None:
            raise UnmatchedCallError(NO_RULE)
        rule = self.rules.match_rule(trunk.sip_trunk_id, caller=caller, called=called, pin=pin)
        if rule is None:
            raise UnmatchedCallError(NO_RULE)
        name = room_name_for(rule.rule, caller=caller, called=called)
        room = self.rooms.get_or_create(_room_request(rule, name))
        dial = Dial(
            call_id=new_livekit_id("SCL_"),
            number=called,
            caller_id=caller,
            trunk_id=trunk.sip_trunk_id,
            ringing_timeout=trunk.ringing_timeout.seconds or DEFAULT_RINGING_TIMEOUT_SECONDS,
            max_duration=trunk.max_call_duration.seconds or MAX_CALL_SECONDS,
        )
        participant = self.rooms.join(room, _participant(rule, dial))
        self.rooms.publish(room, participant)
        return self.calls.start(
            dial,
            room=room,
            participant=participant,
            callee=caller_of_number(caller),
            direction="inbound",
        )


def _room_request(rule: sip.SIPDispatchRuleInfo, name: str) -> CreateRoomRequest:
    config = rule.room_config
    request = CreateRoomRequest(
        name=name,
        empty_timeout=config.empty_timeout,
        departure_timeout=config.departure_timeout,
        max_participants=config.max_participants,
        metadata=config.metadata,
        agents=config.agents,
    )
    if config.HasField("egress"):
        request.egress.CopyFrom(config.egress)
    return request


def _participant(rule: sip.SIPDispatchRuleInfo, dial: Dial) -> models.ParticipantInfo:
    visible_number = dial.caller_id
    # LiveKit names callers by their number, and by a hash of it when numbers are hidden.
    identity = f"sip_{visible_number}"
    if rule.hide_phone_number:
        visible_number = visible_number[-4:]
        identity = f"sip_{hashlib.sha256(dial.caller_id.encode()).hexdigest()[:12]}"
    attributes = {
        **rule.attributes,
        "sip.callID": dial.call_id,
        "sip.callIDFull": f"{random_name(20)}@sandbox",
        "sip.callTag": random_name(12),
        CALL_STATUS_ATTRIBUTE: "ringing",
        "sip.trunkID": dial.trunk_id,
        "sip.ruleID": rule.sip_dispatch_rule_id,
        "sip.trunkPhoneNumber": dial.number,
    }
    if not rule.hide_phone_number:
        attributes |= {"sip.hostname": "sandbox.invalid", "sip.phoneNumber": dial.caller_id}
    return models.ParticipantInfo(
        identity=identity,
        name=f"Phone {visible_number}",
        metadata=rule.metadata,
        kind=models.ParticipantInfo.Kind.SIP,
        attributes=attributes,
    )
