"""LiveKit's egress: records a room into a file, one channel for the agent and one for the callee.

`docs/reference/protocols.md §4`
"""

from typing import Any
from uuid import uuid4

from django.conf import settings

from telephony.clients.livekit.errors import GENERAL, livekit_errors
from telephony.clients.livekit.rooms import delete_room
from telephony.clients.livekit.sdk import api, egress, json_format
from telephony.clients.livekit.session import LiveKit

TRIAL_ROOM_SECONDS = 30
TRIAL_FOLDER = "doctor"


async def find_egress(livekit: LiveKit, room: str) -> list[dict[str, Any]]:
    """Return every egress of the room, shaped as in the webhooks' JSON. Raises ProviderError."""
    async with livekit_errors(GENERAL):
        found = await livekit.api.egress.list_egress(api.ListEgressRequest(room_name=room))
    return [json_format.MessageToDict(info) for info in found.items]


async def start_egress(livekit: LiveKit, *, room: str, key: str) -> dict[str, Any]:
    """Record the room's sound into `key` of our storage; returns the egress as JSON.

    Not idempotent: call `find_egress` first. Raises ProviderError.
    """
    request = api.RoomCompositeEgressRequest(
        room_name=room,
        audio_only=True,
        audio_mixing=egress.DUAL_CHANNEL_AGENT,
        file_outputs=[_file_output(key)],
    )
    async with livekit_errors(GENERAL):
        return json_format.MessageToDict(
            await livekit.api.egress.start_room_composite_egress(request)
        )


async def try_egress(livekit: LiveKit) -> None:
    """Start an egress in a room of its own and stop it. Raises ProviderError.

    Only this shows that an egress service runs: LiveKit accepts the settings without one, and does
    not answer the request at all.
    """
    room = f"voiceops-doctor-{uuid4().hex}"
    async with livekit_errors(GENERAL):
        request = api.CreateRoomRequest(name=room, empty_timeout=TRIAL_ROOM_SECONDS)
        await livekit.api.room.create_room(request)
    try:
        info = await start_egress(livekit, room=room, key=f"{TRIAL_FOLDER}/{room}.ogg")
        async with livekit_errors(GENERAL):
            try:
                stop = api.StopEgressRequest(egress_id=str(info.get("egressId", "")))
                await livekit.api.egress.stop_egress(stop)
            except api.ServerError as error:
                # It may have ended by itself: there is nobody in the room.
                if error.status not in (404, 412):
                    raise
    finally:
        await delete_room(livekit, room)


def _file_output(key: str) -> "api.EncodedFileOutput":
    # LiveKit replaces an extension that does not fit the container; the key would not be ours then.
    output = api.EncodedFileOutput(file_type=egress.OGG, filepath=key, disable_manifest=True)
    if settings.RECORDINGS_STORAGE == "s3":
        # Checked by LiveKit only when it uploads: wrong values lose the recording after the call.
        output.s3.CopyFrom(
            api.S3Upload(
                access_key=settings.S3_ACCESS_KEY_ID,
                secret=settings.S3_SECRET_ACCESS_KEY,
                region=settings.S3_REGION,
                endpoint=settings.S3_ENDPOINT_URL,
                bucket=settings.S3_BUCKET,
                # MinIO and the like rarely have a host name for every bucket.
                force_path_style=bool(settings.S3_ENDPOINT_URL),
            )
        )
    return output
