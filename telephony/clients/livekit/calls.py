"""What LiveKit is asked to do to a call that is up: bring an agent, transfer, press keys."""

from django.conf import settings

from telephony.clients.livekit.errors import GENERAL, SIP, livekit_errors
from telephony.clients.livekit.sdk import api
from telephony.clients.livekit.session import LiveKit

# LiveKit waits this long for the other number. Our own limits are longer, because a transfer whose
# answer we do not wait for may succeed all the same (livekit#4555).
TRANSFER_RINGING_SECONDS = 30
DTMF_TOPIC = "voiceops.dtmf"


async def transfer_leg(livekit: LiveKit, *, room: str, identity: str, to: str) -> None:
    """Hand the telephone's leg to another number; returns once that one has answered.

    `to` is in the form that the trunk dials.

    Raises ProviderError.
    """
    request = api.TransferSIPParticipantRequest(
        room_name=room, participant_identity=identity, transfer_to=f"tel:{to}", play_dialtone=True
    )
    request.ringing_timeout.FromSeconds(TRANSFER_RINGING_SECONDS)
    async with livekit_errors(SIP, timeout_seconds=TRANSFER_RINGING_SECONDS + 10.0):
        await livekit.api.sip.transfer_sip_participant(
            request, timeout=TRANSFER_RINGING_SECONDS + 8.0
        )


async def send_dtmf(livekit: LiveKit, *, room: str, digits: str) -> None:
    """Ask the agent in the room to press keys; LiveKit's server cannot. Raises ProviderError."""
    request = api.SendDataRequest(
        room=room, data=digits.encode(), kind=api.DataPacket.Kind.RELIABLE, topic=DTMF_TOPIC
    )
    async with livekit_errors(GENERAL):
        await livekit.api.room.send_data(request)


async def dispatch_agent(livekit: LiveKit, *, room: str, metadata: str) -> None:
    """Dispatch our agent to the room unless it is there or on its way. Raises ProviderError."""
    name = settings.LIVEKIT_AGENT_NAME
    async with livekit_errors(GENERAL):
        dispatches = await livekit.api.agent_dispatch.list_dispatch(room_name=room)
        # Every dispatch brings one more agent (trap 9).
        if any(dispatch.agent_name == name for dispatch in dispatches):
            return
        await livekit.api.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(agent_name=name, room=room, metadata=metadata)
        )
