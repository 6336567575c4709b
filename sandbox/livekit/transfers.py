"""livekit.SIP/TransferSIPParticipant: a REFER to another callee
(docs/reference/protocols.md §1.4).
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from livekit.protocol import models, sip

from sandbox.clock import Clock
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.calls import Call, Calls
from sandbox.livekit.rooms import Rooms
from sandbox.livekit.sip_errors import Refusal
from sandbox.livekit.twirp import TwirpError
from sandbox.phones.behaviours import Phones

TRANSFER_RINGING_TIMEOUT_SECONDS = 30.0  # simulated
BYE_AFTER_REFER_SECONDS = 1.0  # simulated
TRANSFER_SCHEMES = ("sip:", "sips:", "tel:")


@dataclass
class Transfers:
    """The transfers in progress, by call id."""

    clock: Clock
    rooms: Rooms
    calls: Calls
    phones: Phones
    _in_progress: dict[str, str] = field(default_factory=dict)

    async def transfer(
        self, request: sip.TransferSIPParticipantRequest, grants: Grants
    ) -> sip.TransferSIPParticipantResponse:
        """Return when the new callee has answered and our leg is hung up.

        Raises TwirpError when the request is invalid or the transfer fails.
        """
        call = self._call(request)
        if call.row["status"] != "in_progress":
            # The REFER of a call that only rings is never answered.
            await self.clock.sleep(_limit(request))
            raise TwirpError("deadline_exceeded", "request timed out")
        call_id = call.dial.call_id
        # The same target twice is one transfer that two requests wait for.
        if self._in_progress.setdefault(call_id, request.transfer_to) != request.transfer_to:
            raise TwirpError("invalid_argument", "call already being transferred elsewhere")
        try:
            await self._refer(call, request)
        finally:
            self._in_progress.pop(call_id, None)
        return sip.TransferSIPParticipantResponse(status=sip.STS_TRANSFER_SUCCESSFUL)

    def _call(self, request: sip.TransferSIPParticipantRequest) -> Call:
        """Return the call to transfer.

        Raises TwirpError when the request is invalid or there is no such call.
        """
        if not request.room_name:
            raise TwirpError("invalid_argument", "missing room name")
        if not request.participant_identity:
            raise TwirpError("invalid_argument", "missing participant identity")
        if not request.transfer_to.startswith(TRANSFER_SCHEMES):
            raise TwirpError(
                "invalid_argument",
                "transfer_to must be a valid SIP(s) or TEL URI (sip:, sips: or tel:)",
            )
        room = self.rooms.rooms.get(request.room_name)
        participant = room.participants.get(request.participant_identity) if room else None
        if participant is None:
            raise TwirpError("not_found", "participant does not exist")
        call = self.calls.active.get((request.room_name, request.participant_identity))
        if call is None:
            raise TwirpError("invalid_argument", "no SIP session associated with participant")
        return call

    async def _refer(self, call: Call, request: sip.TransferSIPParticipantRequest) -> None:
        number = request.transfer_to.partition(":")[2].partition("@")[0].partition(";")[0]
        # "First dial" behaviours of the table are for CreateSIPParticipant, not for transfers.
        callee = self.phones.callee_of(number, earlier_dials=1)
        limit = _limit(request)
        answers_after = callee.trying + callee.rings
        done, _ = await asyncio.wait(
            {call.participant.left}, timeout=self.clock.to_wall_seconds(min(answers_after, limit))
        )
        if done:
            raise _failed("call transfer failed: call ended", sip.STR_CALL_ENDED)
        if answers_after > limit:
            raise _failed("call transfer failed: ringing timeout", sip.STR_RINGING_TIMEOUT)
        if callee.refusal is not None:
            raise _rejected(callee.refusal)
        call.ended_by = "transfer"
        # The peer may hang up first; we do so a second later.
        await self.clock.sleep(BYE_AFTER_REFER_SECONDS)
        self.rooms.leave(call.room, call.participant.identity, models.CLIENT_INITIATED)


def _limit(request: sip.TransferSIPParticipantRequest) -> float:
    return float(request.ringing_timeout.seconds) or TRANSFER_RINGING_TIMEOUT_SECONDS


def _failed(msg: str, reason: Any, meta: dict[str, str] | None = None) -> TwirpError:
    name = sip.SIPTransferReason.Name(reason)
    return TwirpError(
        "failed_precondition",
        msg,
        {"sip_transfer_id": new_livekit_id("STR_"), "sip_transfer_reason": name, **(meta or {})},
    )


def _rejected(refusal: Refusal) -> TwirpError:
    meta = {"sip_status_code": str(refusal.sip_code), "sip_status": refusal.phrase}
    return _failed(
        f"call transfer failed: sip status: {refusal.sip_code}: {refusal.phrase}",
        sip.STR_REJECTED,
        meta,
    )
