"""Rooms and their participants: joining, leaving, closing, and the events these send
(docs/reference/protocols.md §1.5, §2.3, §3).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit.protocol import agent_dispatch, models
from livekit.protocol.room import CreateRoomRequest

from sandbox.clock import Clock
from sandbox.ids import new_livekit_id
from sandbox.livekit.twirp import rpc_error
from sandbox.livekit.webhooks import Webhooks

log = logging.getLogger(__name__)

Reason = models.DisconnectReason
Kind = models.ParticipantInfo.Kind
DEFAULT_EMPTY_TIMEOUT_SECONDS = 300  # wall clock
DEFAULT_DEPARTURE_TIMEOUT_SECONDS = 20  # wall clock
MAX_METADATA_BYTES = 512 * 1024
MAX_DATA_PACKETS = 100  # of SendData, kept per room
# They do not keep a room open, and do not count for its maximum of participants.
UNCOUNTED_KINDS = (Kind.AGENT, Kind.EGRESS)


def check_metadata_size(metadata: str) -> None:
    """Raises TwirpError when the metadata is too long."""
    if len(metadata.encode()) > MAX_METADATA_BYTES:
        raise rpc_error("invalid_argument", "metadata size exceeds limits")


@dataclass(eq=False)
class Participant:
    """A participant of a room. `left` is set to the reason as soon as they are out of it."""

    info: models.ParticipantInfo
    left: "asyncio.Future[Reason]"

    @property
    def identity(self) -> str:
        return self.info.identity

    @property
    def keeps_room_open(self) -> bool:
        return self.info.kind not in UNCOUNTED_KINDS


@dataclass(eq=False)
class Room:
    info: models.Room
    participants: dict[str, Participant] = field(default_factory=dict)
    dispatches: dict[str, agent_dispatch.AgentDispatch] = field(default_factory=dict)
    closed: "asyncio.Future[models.RoomEndReason]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    timer: asyncio.TimerHandle | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    egress: list[str] = field(default_factory=list)
    data: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=MAX_DATA_PACKETS))

    @property
    def name(self) -> str:
        return self.info.name

    def notify_changed(self) -> None:
        """Wake those who wait for `changed`: a participant joined, left or changed state."""
        self.changed.set()
        # A new event for the next change; those who wait for the old one are already woken.
        self.changed = asyncio.Event()


@dataclass
class Rooms:
    """The open rooms by name. `on_created` and `on_closed` are called with each."""

    webhooks: Webhooks
    rooms: dict[str, Room] = field(default_factory=dict)
    on_created: list[Callable[[Room, CreateRoomRequest], None]] = field(default_factory=list)
    on_closed: list[Callable[[Room], None]] = field(default_factory=list)

    def get(self, name: str) -> Room:
        """Return an open room. Raises TwirpError when there is none of that name."""
        room = self.rooms.get(name)
        if room is None:
            raise rpc_error("not_found", "requested room does not exist")
        return room

    def get_or_create(self, request: CreateRoomRequest) -> Room:
        """Return the room of that name. The request's settings apply only to a new one."""
        room = self.rooms.get(request.name)
        if room is not None:
            return room
        now = Clock.now()
        info = models.Room(
            sid=new_livekit_id("RM_"),
            name=request.name,
            empty_timeout=request.empty_timeout or DEFAULT_EMPTY_TIMEOUT_SECONDS,
            departure_timeout=request.departure_timeout or DEFAULT_DEPARTURE_TIMEOUT_SECONDS,
            max_participants=request.max_participants,
            metadata=request.metadata,
            creation_time=int(now),
            creation_time_ms=int(now * 1000),
        )
        room = self.rooms[request.name] = Room(info)
        self.webhooks.send("room_started", key=room.name, room=info)
        self._schedule_close(room, info.empty_timeout)
        for hook in self.on_created:
            hook(room, request)
        return room

    def get_or_create_by_name(self, name: str) -> Room:
        return self.get_or_create(CreateRoomRequest(name=name))

    def join(self, room: Room, info: models.ParticipantInfo) -> Participant:
        """Add a participant. One with the same identity is disconnected first.

        Raises TwirpError when the room is full.
        """
        if info.identity in room.participants:
            self.leave(room, info.identity, models.DUPLICATE_IDENTITY)
        members = sum(participant.keeps_room_open for participant in room.participants.values())
        if info.kind not in UNCOUNTED_KINDS and 0 < room.info.max_participants <= members:
            raise rpc_error(
                "internal", "update room failed: room has exceeded its max participants"
            )

        now = Clock.now()
        info.sid = info.sid or new_livekit_id("PA_")
        info.state = models.ParticipantInfo.State.ACTIVE
        info.joined_at = int(now)
        info.joined_at_ms = int(now * 1000)
        participant = Participant(info, asyncio.get_running_loop().create_future())
        room.participants[info.identity] = participant
        if participant.keeps_room_open:
            self._stop_timer(room)
        self._update_counts(room)
        self.webhooks.send("participant_joined", key=room.name, room=room.info, participant=info)
        room.notify_changed()
        return participant

    def publish(self, room: Room, participant: Participant, name: str) -> None:
        """Publish the participant's audio track."""
        track = _audio_track(name)
        participant.info.tracks.append(track)
        participant.info.is_publisher = True
        self._update_counts(room)
        # This event carries the ids of the room and the participant only.
        room_ids = models.Room(sid=room.info.sid, name=room.name)
        participant_ids = models.ParticipantInfo(
            sid=participant.info.sid, identity=participant.identity
        )
        self.webhooks.send(
            "track_published",
            key=room.name,
            room=room_ids,
            participant=participant_ids,
            track=track,
        )

    def leave(self, room: Room, identity: str, reason: Reason) -> None:
        """Take a participant out of the room. An unknown identity is not an error."""
        participant = room.participants.pop(identity, None)
        if participant is None:
            return
        participant.info.state = models.ParticipantInfo.State.DISCONNECTED
        participant.info.disconnect_reason = reason
        # Wakes the call and the agent that wait for this participant.
        participant.left.set_result(reason)
        self._update_counts(room)
        self.webhooks.send(
            "participant_left", key=room.name, room=room.info, participant=participant.info
        )
        stays_open = any(p.keeps_room_open for p in room.participants.values())
        if participant.keeps_room_open and not stays_open and not room.closed.done():
            self._schedule_close(room, room.info.departure_timeout)
        room.notify_changed()

    def remove(self, room: Room, identity: str) -> None:
        self.leave(room, identity, models.PARTICIPANT_REMOVED)

    def close(
        self, room: Room, end_reason: models.RoomEndReason, disconnect_reason: Reason
    ) -> None:
        """Close the room and disconnect everyone in it, which ends their calls."""
        if room.closed.done():
            return
        # The name is free from here on, so that hooks and clients can create a new room with it.
        del self.rooms[room.name]
        self._stop_timer(room)
        room.closed.set_result(end_reason)
        for identity in list(room.participants):
            self.leave(room, identity, disconnect_reason)
        self.webhooks.send(
            "room_finished",
            key=room.name,
            room=room.info,
            roomEndReason=models.RoomEndReason.Name(end_reason),
        )
        for hook in self.on_closed:
            hook(room)

    def delete(self, name: str) -> None:
        """Close a room by name. Raises TwirpError when there is none."""
        self.close(self.get(name), models.ROOM_END_API_DELETE, models.ROOM_DELETED)

    def _schedule_close(self, room: Room, seconds: float) -> None:
        self._stop_timer(room)
        room.timer = asyncio.get_running_loop().call_later(
            seconds, self.close, room, models.ROOM_END_IDLE_TIMEOUT, models.ROOM_CLOSED
        )

    @staticmethod
    def _stop_timer(room: Room) -> None:
        if room.timer is not None:
            room.timer.cancel()
            room.timer = None

    @staticmethod
    def _update_counts(room: Room) -> None:
        room.info.num_participants = len(room.participants)
        room.info.num_publishers = sum(p.info.is_publisher for p in room.participants.values())


def _audio_track(name: str) -> models.TrackInfo:
    return models.TrackInfo(
        sid=new_livekit_id("TR_"),
        type=models.TrackType.AUDIO,
        name=name,
        source=models.TrackSource.MICROPHONE,
        mime_type="audio/opus",
    )
