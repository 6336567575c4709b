"""Helpers that dial as VoiceOps does: a room with an agent, then the callee."""

import json
from datetime import timedelta
from typing import Any

from livekit import api

from tests.sandbox.clients import livekit
from tests.sandbox_server import RunningSandbox

AGENT: dict[str, Any] = {
    "system_prompt": "You confirm appointments.",
    "first_message": "Hello {{name}}, this is about {{ day }}.",
    "language": "en-US",
    "voicemail": {"action": "hang_up"},
    "max_call_duration_seconds": 600,
    "recording_enabled": True,
}
VARIABLES = {"name": "Ann", "day": "Tuesday"}


async def make_trunk(lk: api.LiveKitAPI, **fields: Any) -> str:
    info = api.SIPOutboundTrunkInfo(
        **{"name": "t", "address": "sip.example.com", "numbers": ["+15550001111"], **fields}
    )
    trunk = await lk.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=info))
    return str(trunk.sip_trunk_id)


def metadata(report_url: str, **agent: Any) -> str:
    return json.dumps(
        {
            "call_id": "c1",
            "report_url": report_url,
            "report_token": "token-of-c1",
            "agent": {**AGENT, **agent},
            "variables": VARIABLES,
        }
    )


async def make_room(lk: api.LiveKitAPI, name: str, report_url: str = "", **agent: Any) -> Any:
    dispatch = api.RoomAgentDispatch(agent_name="voiceops", metadata=metadata(report_url, **agent))
    return await lk.room.create_room(api.CreateRoomRequest(name=name, agents=[dispatch]))


def invite(trunk: str, number: str, **fields: Any) -> api.CreateSIPParticipantRequest:
    defaults: dict[str, Any] = {
        "sip_trunk_id": trunk,
        "sip_call_to": number,
        "room_name": "room",
        "participant_identity": "callee-1",
        "wait_until_answered": True,
        "ringing_timeout": timedelta(seconds=30),
        "max_call_duration": timedelta(seconds=600),
    }
    return api.CreateSIPParticipantRequest(**{**defaults, **fields})


async def dial(box: RunningSandbox, number: str, **fields: Any) -> Any:
    """Dial without an agent, over a new trunk. Returns the answer; the client's errors pass."""
    async with livekit(box) as lk:
        trunk = await make_trunk(lk)
        return await lk.sip.create_sip_participant(invite(trunk, number, **fields), timeout=10)
