"""What LiveKit says of rooms, participants and tracks (docs/reference/real-livekit.md §4)."""

from livekit.protocol import models
from livekit.protocol.room import CreateRoomRequest

from sandbox.clock import Clock
from sandbox.ids import new_livekit_id, random_name

Kind = models.ParticipantInfo.Kind
DEFAULT_EMPTY_TIMEOUT_SECONDS = 300  # wall clock
DEFAULT_DEPARTURE_TIMEOUT_SECONDS = 20  # wall clock
# They do not keep a room open, and do not count for its number of participants.
UNCOUNTED_KINDS = (Kind.AGENT, Kind.EGRESS)
TURN_PASSWORD_LENGTH = 43
# livekit pkg/config: the codecs that are enabled unless the configuration says otherwise.
ENABLED_CODECS = tuple(
    models.Codec(mime=mime)
    for mime in (
        *("audio/opus", "audio/red", "audio/PCMU", "audio/PCMA"),
        *("video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265", "video/rtx"),
    )
)


def new_room_info(request: CreateRoomRequest) -> models.Room:
    """Return a new room as the request asks for it."""
    now = Clock.now()
    return models.Room(
        sid=new_livekit_id("RM_"),
        name=request.name,
        empty_timeout=request.empty_timeout or DEFAULT_EMPTY_TIMEOUT_SECONDS,
        departure_timeout=request.departure_timeout or DEFAULT_DEPARTURE_TIMEOUT_SECONDS,
        max_participants=request.max_participants,
        metadata=request.metadata,
        creation_time=int(now),
        creation_time_ms=int(now * 1000),
        turn_password=random_name(TURN_PASSWORD_LENGTH),
        enabled_codecs=ENABLED_CODECS,
    )


def permission_of(*, is_agent: bool) -> models.ParticipantPermission:
    return models.ParticipantPermission(
        can_subscribe=True,
        can_publish=True,
        can_publish_data=True,
        can_update_metadata=True,
        agent=is_agent,
    )


def agent_attributes(agent_name: str) -> dict[str, str]:
    """Return the attributes of an agent's participant."""
    return {"lk.agent.name": agent_name, "lk.agent_name": agent_name}


def audio_track(name: str) -> models.TrackInfo:
    return models.TrackInfo(
        sid=new_livekit_id("TR_"),
        type=models.TrackType.AUDIO,
        name=name,
        source=models.TrackSource.MICROPHONE,
        mime_type="audio/opus",
    )
