"""Rooms and their participants: joining, leaving, closing, and the events these send
(docs/reference/protocols.md §1.5, §2.3, §3, docs/reference/real-livekit.md §2.2, §2.4).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from livekit.protocol import agent_dispatch, models
from livekit.protocol.room import CreateRoomRequest

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.ids import new_livekit_id
from sandbox.livekit.room_events import RoomEvents
from sandbox.livekit.room_facts import (
    UNCOUNTED_KINDS,
    audio_track,
    new_room_info,
    permission_of,
)
from sandbox.livekit.twirp import TwirpError

log = logging.getLogger(__name__)

Reason = models.DisconnectReason
MAX_METADATA_BYTES = 512 * 1024
MAX_DATA_PACKETS = 100  # of SendData, kept per room
# How long after a DeleteRoom a second one brings the room back; by the wall clock, because it is
# the time that LiveKit's own deletion takes.
REVIVAL_SECONDS = 0.085


def check_metadata_size(metadata: str) -> None:
    """Raises TwirpError when the metadata is too long."""
    if len(metadata.encode()) > MAX_METADATA_BYTES:
        # Upstream passes its sentence as the name of the argument, and the limit as the sentence.
        argument = "metadata size exceeds limits"
        raise TwirpError(
            "invalid_argument", f"{argument} {MAX_METADATA_BYTES}", {"argument": argument}
        )


@dataclass(eq=False)
class Participant:
    """A participant of a room. `left` is set to the reason as soon as they are out of it."""

    info: models.ParticipantInfo
    left: "asyncio.Future[Reason]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def identity(self) -> str:
        return self.info.identity

    @property
    def keeps_room_open(self) -> bool:
        return self.info.kind not in UNCOUNTED_KINDS

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        self.info.attributes.update(attributes)
        self.info.version += 1


@dataclass(eq=False)
class Room:
    """A room. `request` made it; with `is_stale` it is in LiveKit's store, but its node is dead."""

    info: models.Room
    request: CreateRoomRequest
    participants: dict[str, Participant] = field(default_factory=dict)
    dispatches: dict[str, agent_dispatch.AgentDispatch] = field(default_factory=dict)
    closed: "asyncio.Future[models.RoomEndReason]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    timer: asyncio.TimerHandle | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    egress: list[str] = field(default_factory=list)
    data: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=MAX_DATA_PACKETS))
    has_session: bool = False
    is_stale: bool = False
    is_deleted_twice: bool = False  # another DeleteRoom falls beside the first
    is_revived: bool = False
    is_unrecorded: bool = False  # no egress service takes its recordings

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

    events: RoomEvents
    faults: Faults
    rooms: dict[str, Room] = field(default_factory=dict)
    on_created: list[Callable[[Room, CreateRoomRequest], None]] = field(default_factory=list)
    on_closed: list[Callable[[Room], None]] = field(default_factory=list)
    # By name: rooms whose deletion is under way.
    _being_deleted: dict[str, Room] = field(default_factory=dict)

    def get(self, name: str) -> Room:
        """Return an open room. Raises TwirpError when there is none of that name."""
        room = self.rooms.get(name)
        if room is None:
            raise TwirpError("not_found", "requested room does not exist")
        return room

    def get_served(self, name: str) -> Room:
        """Return a room that a node serves.

        Raises TwirpError without one: the request waits at a topic that nobody listens to.
        """
        room = self.rooms.get(name)
        if room is None or room.is_stale:
            raise TwirpError("unavailable", "no response from servers")
        return room

    def get_or_create(self, request: CreateRoomRequest) -> Room:
        """Return the room of that name. The request's settings apply only to a new one.

        A stale one is taken over by a live node.
        """
        room = self.rooms.get(request.name)
        if room is None:
            return self._create(request)
        if room.is_stale:
            self._adopt(room)
        return room

    def get_or_rejoin(self, name: str) -> Room:
        """Return the room that a leg comes back to. A stale one lives again, without its agents."""
        room = self.rooms.get(name)
        if room is None:
            return self.get_or_create_by_name(name)
        room.is_stale = False
        return room

    def get_or_create_by_name(self, name: str) -> Room:
        return self.get_or_create(CreateRoomRequest(name=name))

    def _create(self, request: CreateRoomRequest) -> Room:
        room = self.rooms[request.name] = Room(new_room_info(request), request)
        self.events.room_started(room.info)
        self._schedule_close(room, room.info.empty_timeout)
        for hook in self.on_created:
            hook(room, request)
        return room

    def _adopt(self, room: Room) -> None:
        """Let a live node take a room over from a dead one, which starts its agents again."""
        room.is_stale = False
        self.events.room_started(room.info)
        self._schedule_close(room, room.info.empty_timeout)
        agents = CreateRoomRequest(name=room.name, agents=room.request.agents)
        for hook in self.on_created:
            hook(room, agents)

    def join(self, room: Room, info: models.ParticipantInfo) -> Participant:
        """Add a participant. One with the same identity is disconnected first.

        Raises TwirpError when the room is full.
        """
        if info.identity in room.participants:
            self.leave(room, info.identity, models.DUPLICATE_IDENTITY)
        members = sum(participant.keeps_room_open for participant in room.participants.values())
        if info.kind not in UNCOUNTED_KINDS and 0 < room.info.max_participants <= members:
            raise TwirpError(
                "internal", "update room failed: could not establish signal connection"
            )
        participant = Participant(info)
        self.enter(room, participant)
        return participant

    def enter(self, room: Room, participant: Participant) -> None:
        """Put a participant into the room, and tell it."""
        info = participant.info
        now = Clock.now()
        info.sid = info.sid or new_livekit_id("PA_")
        info.state = models.ParticipantInfo.State.ACTIVE
        info.joined_at = int(now)
        info.joined_at_ms = int(now * 1000)
        info.version += 1
        info.permission.CopyFrom(
            permission_of(is_agent=info.kind == models.ParticipantInfo.Kind.AGENT)
        )
        room.participants[info.identity] = participant
        if participant.keeps_room_open:
            self._stop_timer(room)
        if not room.has_session:
            # CreateRoom tells that the room has started, and so does its first session.
            room.has_session = True
            self.events.room_started(room.info)
        # The counts of the event are those before it.
        self.events.participant_joined(room.info, info)
        self._update_counts(room)
        room.notify_changed()

    def publish(self, room: Room, participant: Participant) -> None:
        """Publish the participant's audio track, which has their identity as its name."""
        track = audio_track(participant.identity)
        participant.info.tracks.append(track)
        participant.info.version += 1
        self._update_counts(room)
        self.events.track_changed("track_published", room.info, participant.info, track)

    def leave(self, room: Room, identity: str, reason: Reason) -> None:
        """Take a participant out of the room. An unknown identity is not an error."""
        participant = room.participants.pop(identity, None)
        if participant is None:
            return
        info = participant.info
        info.state = models.ParticipantInfo.State.DISCONNECTED
        info.disconnect_reason = reason
        # Wakes the call and the agent that wait for this participant.
        if not participant.left.done():
            participant.left.set_result(reason)
        self.events.participant_left(room.info, info)
        self._update_counts(room)
        stays_open = any(p.keeps_room_open for p in room.participants.values())
        if participant.keeps_room_open and not stays_open and not room.closed.done():
            self._schedule_close(room, room.info.departure_timeout)
        room.notify_changed()

    def time_out(self, room: Room, participant: Participant) -> None:
        """Take out a participant whose process has died, unless the room is gone meanwhile."""
        present = room.participants.get(participant.identity) is participant
        if present and self.rooms.get(room.name) is room:
            self.leave(room, participant.identity, models.CONNECTION_TIMEOUT)

    def remove(self, room: Room, identity: str) -> None:
        self.leave(room, identity, models.PARTICIPANT_REMOVED)

    def close(
        self, room: Room, end_reason: models.RoomEndReason, disconnect_reason: Reason
    ) -> None:
        """Close the room and disconnect everyone in it, which ends their calls."""
        if room.closed.done():
            return
        # The name is free from here on, so that hooks and clients can create a new room with it.
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]
        self._stop_timer(room)
        room.closed.set_result(end_reason)
        for identity in list(room.participants):
            self.leave(room, identity, disconnect_reason)
        self.events.room_finished(room.info, end_reason)
        for hook in self.on_closed:
            hook(room)

    def delete(self, name: str) -> None:
        """Close a room by name, as DeleteRoom does.

        A second one that comes while the first is at work brings the room back. Raises TwirpError
        when there is no such room, or its node is dead.
        """
        room = self.rooms.get(name)
        if room is not None and room.is_stale:
            raise TwirpError("unknown", "could not find object")
        if room is None and (deleted := self._being_deleted.pop(name, None)):
            self._revive(deleted)
            return
        room = self.get(name)
        self.close(room, models.ROOM_END_API_DELETE, models.ROOM_DELETED)
        if not room.is_revived and (room.is_deleted_twice or self.faults.draw_double_delete()):
            self._revive(room)
            return
        self._being_deleted[name] = room
        asyncio.get_running_loop().call_later(REVIVAL_SECONDS, self._forget_deleted, room)

    def _forget_deleted(self, room: Room) -> None:
        if self._being_deleted.get(room.name) is room:
            del self._being_deleted[room.name]

    def _revive(self, deleted: Room) -> None:
        """Bring a room back, with a new sid and LiveKit's defaults; its agents are dispatched
        again.
        """
        self.events.room_started(deleted.info)
        again = CreateRoomRequest(name=deleted.name, agents=deleted.request.agents)
        self._create(again).is_revived = True

    def forget_all(self, *, stale: bool) -> list[Room]:
        """Lose every room, as when the server dies, and return them.

        With `stale` the store still holds a copy of each, which shows what was last known of it.
        Nothing is told, and nobody is disconnected.
        """
        lost = list(self.rooms.values())
        self.rooms.clear()
        self._being_deleted.clear()
        for room in lost:
            self._stop_timer(room)
            if not room.closed.done():
                room.closed.set_result(models.ROOM_END_UNKNOWN)
            for hook in self.on_closed:
                hook(room)
            if stale:
                self.rooms[room.name] = _stored_copy(room)
        return lost

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
        counted = [p for p in room.participants.values() if p.keeps_room_open]
        room.info.num_participants = len(counted)
        room.info.num_publishers = sum(bool(p.info.tracks) for p in room.participants.values())


def _stored_copy(room: Room) -> Room:
    """Return what LiveKit's store holds of a room when its node dies."""
    copy = Room(room.info, room.request, is_stale=True)
    copy.dispatches = dict(room.dispatches)
    for identity, participant in room.participants.items():
        info = models.ParticipantInfo()
        info.CopyFrom(participant.info)
        copy.participants[identity] = Participant(info)
    return copy
