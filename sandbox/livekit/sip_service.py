"""livekit.SIP/CreateSIPParticipant (docs/reference/protocols.md §1.4, §2)."""

import asyncio
import random
from dataclasses import dataclass, replace

from livekit.protocol import models, sip

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.calls import (
    CALL_STATUS_ATTRIBUTE,
    DEFAULT_RINGING_TIMEOUT_SECONDS,
    MAX_CALL_SECONDS,
    Call,
    Calls,
    Dial,
)
from sandbox.livekit.outage import Outage
from sandbox.livekit.rooms import Rooms
from sandbox.livekit.sip_errors import refuse_challenge
from sandbox.livekit.trunks import Trunks, check_headers
from sandbox.livekit.twirp import NoAnswerError, TwirpError
from sandbox.phones.behaviours import Phones

RPC_DEADLINE_SECONDS = 80.0  # with wait_until_answered, simulated
NODE_CLAIM_SECONDS = 1.0  # until it is known that no SIP service takes a request, simulated
MAX_DISPLAY_NAME_LENGTH = 128


@dataclass(frozen=True)
class DialTrunk:
    """The trunk of an outbound call, from the request or from the store."""

    trunk_id: str
    address: str
    caller_id: str
    has_credentials: bool


# The last two digits of the number called, by which the callee's behaviour is known: the number
# itself is hidden. LiveKit has no such attribute.
CALLEE_ATTRIBUTE = "sandbox.callee"


@dataclass
class SipService:
    """CreateSIPParticipant, and the dial that its faults share with it."""

    clock: Clock
    rooms: Rooms
    calls: Calls
    trunks: Trunks
    phones: Phones
    faults: Faults
    outage: Outage
    # For a voice worker that plays the callees of calls without sound.
    names_callees: bool = False

    async def create(
        self, request: sip.CreateSIPParticipantRequest, grants: Grants
    ) -> sip.SIPParticipantInfo:
        """Dial, and with `wait_until_answered` return when the callee has answered.

        Raises TwirpError when the request is invalid or the call fails, NoAnswerError when the
        callee is one whose request is never answered.
        """
        if self.outage.sip_is_down:
            await self.clock.sleep(NODE_CLAIM_SECONDS)
        call = self.dial(request)
        if request.wait_until_answered:
            await self.wait_for_answer(call)
        elif call.callee.mute:
            raise NoAnswerError
        return participant_info(call)

    def dial(self, request: sip.CreateSIPParticipantRequest) -> Call:
        """Add the callee's participant to the room, then send the INVITE.

        Raises TwirpError when the request is invalid, the room is full or no SIP service runs.
        """
        _validate(request)
        if self.outage.sip_is_down:
            raise TwirpError("unavailable", "no response from servers")
        trunk = self._resolve_trunk(request)
        callee = self.phones.callee_of(
            request.sip_call_to, earlier_dials=self.calls.count_dials(request.sip_call_to)
        )
        callee = self.faults.disturb(callee)
        if callee.error is not None:
            raise callee.error
        # A challenge is not an end: LiveKit repeats the INVITE with credentials if it has them.
        if callee.refusal is not None and callee.refusal.sip_code in (401, 407):
            callee = replace(
                callee, refusal=refuse_challenge(has_credentials=trunk.has_credentials)
            )
        call_id = new_livekit_id("SCL_")
        room = self.rooms.get_or_create_by_name(request.room_name)
        participant = self.rooms.join(room, self._participant(request, call_id, trunk))
        self.rooms.publish(room, participant)
        room.is_deleted_twice = callee.double_delete
        room.is_unrecorded = callee.egress_missing
        dial = Dial(
            call_id=call_id,
            number=request.sip_call_to,
            caller_id=trunk.caller_id,
            trunk_id=trunk.trunk_id,
            ringing_timeout=_seconds(request, "ringing_timeout", DEFAULT_RINGING_TIMEOUT_SECONDS),
            max_duration=min(
                _seconds(request, "max_call_duration", MAX_CALL_SECONDS), MAX_CALL_SECONDS
            ),
            dtmf=request.dtmf,
        )
        return self.calls.start(dial, room=room, participant=participant, callee=callee)

    def _participant(
        self, request: sip.CreateSIPParticipantRequest, call_id: str, trunk: DialTrunk
    ) -> models.ParticipantInfo:
        attributes = _attributes(request, call_id, trunk)
        if self.names_callees:
            attributes[CALLEE_ATTRIBUTE] = request.sip_call_to[-2:]
        return models.ParticipantInfo(
            identity=request.participant_identity or f"sip_{request.sip_call_to}",
            name=request.participant_name,
            metadata=request.participant_metadata,
            kind=models.ParticipantInfo.Kind.SIP,
            attributes=attributes,
        )

    async def wait_for_answer(self, call: Call) -> None:
        """Return when the callee has answered. The call continues when the client disconnects.

        Raises TwirpError when the call fails or the deadline passes, NoAnswerError for a mute
        callee.
        """
        deadline = self.clock.to_wall_seconds(RPC_DEADLINE_SECONDS)
        if call.callee.mute:
            # The client gets no answer, although the call goes on.
            await asyncio.sleep(deadline)
            raise NoAnswerError
        done, _ = await asyncio.wait({call.answer}, timeout=deadline)
        if not done:
            raise TwirpError("deadline_exceeded", "request timed out")
        refusal = call.answer.result()
        if refusal is not None:
            raise refusal.error()

    def _resolve_trunk(self, request: sip.CreateSIPParticipantRequest) -> DialTrunk:
        """Raises TwirpError when the trunk does not exist or has no number."""
        numbers: list[str] = []
        address = request.trunk.hostname
        has_credentials = bool(request.trunk.auth_username)
        if request.sip_trunk_id:
            trunk = self.trunks.get_outbound_trunk(request.sip_trunk_id)
            numbers = list(trunk.numbers)
            address = trunk.address
            has_credentials = bool(trunk.auth_username)
        if not request.sip_number and not numbers:
            raise TwirpError("failed_precondition", "no numbers on outbound trunk")
        # LiveKit picks any of the trunk's numbers; nothing here is secret.
        caller_id = request.sip_number or random.choice(numbers)  # noqa: S311
        # LiveKit normalises caller ids for Twilio only.
        if address.partition(":")[0].endswith("twilio.com") and not caller_id.startswith("+"):
            caller_id = f"+{caller_id}"
        return DialTrunk(request.sip_trunk_id, address, caller_id, has_credentials)


def participant_info(call: Call) -> sip.SIPParticipantInfo:
    """Return the response of CreateSIPParticipant."""
    return sip.SIPParticipantInfo(
        participant_id=call.participant.info.sid,
        participant_identity=call.participant.identity,
        room_name=call.room.name,
        sip_call_id=call.dial.call_id,
    )


def _validate(request: sip.CreateSIPParticipantRequest) -> None:
    """Raises TwirpError as protocol/livekit/sip.go CreateSIPParticipantRequest.Validate does."""
    if not request.sip_trunk_id and not (request.HasField("trunk") and request.sip_number):
        raise TwirpError("invalid_argument", "missing sip trunk id and sip number")
    if not request.sip_call_to:
        raise TwirpError("invalid_argument", "missing sip callee number")
    if "@" in request.sip_call_to:
        raise TwirpError(
            "invalid_argument", "SipCallTo should be a phone number or SIP user, not a full SIP URI"
        )
    if not request.room_name:
        raise TwirpError("invalid_argument", "missing room name")
    if len(request.display_name) > MAX_DISPLAY_NAME_LENGTH:
        raise TwirpError(
            "invalid_argument", f"DisplayName too long (max {MAX_DISPLAY_NAME_LENGTH} characters)"
        )
    check_headers(request.headers)


def _seconds(request: sip.CreateSIPParticipantRequest, name: str, default: float) -> float:
    if not request.HasField(name):
        return default
    duration = getattr(request, name)
    return float(duration.seconds + duration.nanos / 1e9) or default


def _attributes(
    request: sip.CreateSIPParticipantRequest, call_id: str, trunk: DialTrunk
) -> dict[str, str]:
    attributes = {
        **request.participant_attributes,
        "sip.callID": call_id,
        CALL_STATUS_ATTRIBUTE: "dialing",
        "sip.trunkID": trunk.trunk_id,
    }
    if not request.hide_phone_number:
        attributes |= {
            "sip.hostname": trunk.address,
            "sip.phoneNumber": request.sip_call_to,
            "sip.trunkPhoneNumber": trunk.caller_id,
        }
    return attributes
