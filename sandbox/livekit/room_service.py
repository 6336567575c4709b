"""livekit.RoomService (docs/reference/protocols.md §1.5)."""

from dataclasses import dataclass

from livekit.protocol import models, room

from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.rooms import Participant, Rooms, check_metadata_size
from sandbox.livekit.twirp import TwirpError

MAX_ROOM_NAME_LENGTH = 256
MAX_ATTRIBUTES_LENGTH = 64 * 1024  # of names and values together


@dataclass
class RoomService:
    """The methods of livekit.RoomService."""

    rooms: Rooms

    async def create(self, request: room.CreateRoomRequest, grants: Grants) -> models.Room:
        """Raises TwirpError when the request is invalid. An empty name is valid."""
        if len(request.name) > MAX_ROOM_NAME_LENGTH:
            raise TwirpError("invalid_argument", "room name length exceeds limits")
        for metadata in (request.metadata, *(agent.metadata for agent in request.agents)):
            check_metadata_size(metadata)
        return self.rooms.get_or_create(request).info

    async def list(self, request: room.ListRoomsRequest, grants: Grants) -> room.ListRoomsResponse:
        names = set(request.names)
        found = [r.info for r in self.rooms.rooms.values() if not names or r.name in names]
        return room.ListRoomsResponse(rooms=found)

    async def delete(
        self, request: room.DeleteRoomRequest, grants: Grants
    ) -> room.DeleteRoomResponse:
        """Raises TwirpError when the room does not exist, or its node is dead."""
        self.rooms.delete(request.room)
        return room.DeleteRoomResponse()

    async def list_participants(
        self, request: room.ListParticipantsRequest, grants: Grants
    ) -> room.ListParticipantsResponse:
        # The list of an unknown room is empty (livekit roomservice.go).
        found = self.rooms.rooms.get(request.room)
        participants = [p.info for p in found.participants.values()] if found else []
        return room.ListParticipantsResponse(participants=participants)

    async def get_participant(
        self, request: room.RoomParticipantIdentity, grants: Grants
    ) -> models.ParticipantInfo:
        """Raises TwirpError when the participant does not exist."""
        return self._participant(request.room, request.identity).info

    async def remove_participant(
        self, request: room.RoomParticipantIdentity, grants: Grants
    ) -> room.RemoveParticipantResponse:
        """Raises TwirpError when the participant does not exist."""
        self._participant(request.room, request.identity)
        self.rooms.remove(self.rooms.get_served(request.room), request.identity)
        return room.RemoveParticipantResponse()

    async def update_participant(
        self, request: room.UpdateParticipantRequest, grants: Grants
    ) -> models.ParticipantInfo:
        """Raises TwirpError when the participant does not exist or the request is invalid."""
        info = self._participant(request.room, request.identity).info
        check_metadata_size(request.metadata)
        length = sum(len(name) + len(value) for name, value in request.attributes.items())
        if length > MAX_ATTRIBUTES_LENGTH:
            raise TwirpError("invalid_argument", "attribute size exceeds limits")
        info.metadata = request.metadata or info.metadata
        info.name = request.name or info.name
        for name, value in request.attributes.items():
            # An empty value deletes the attribute.
            if value:
                info.attributes[name] = value
            else:
                info.attributes.pop(name, None)
        return info

    async def update_metadata(
        self, request: room.UpdateRoomMetadataRequest, grants: Grants
    ) -> models.Room:
        """Raises TwirpError when the room does not exist or the metadata is too long."""
        found = self.rooms.get(request.room)
        check_metadata_size(request.metadata)
        found.info.metadata = request.metadata
        return found.info

    async def send_data(
        self, request: room.SendDataRequest, grants: Grants
    ) -> room.SendDataResponse:
        """Keep the packet for GET /_sandbox/rooms. Raises TwirpError when there is no such room."""
        found = self.rooms.get_served(request.room)
        found.data.append({"topic": request.topic, "data": request.data.decode(errors="replace")})
        return room.SendDataResponse()

    async def mute(
        self, request: room.MuteRoomTrackRequest, grants: Grants
    ) -> room.MuteRoomTrackResponse:
        """Raises TwirpError when the participant or the track does not exist."""
        for track in self._participant(request.room, request.identity).info.tracks:
            if track.sid == request.track_sid:
                track.muted = request.muted
                return room.MuteRoomTrackResponse(track=track)
        raise TwirpError("not_found", "track is not found")

    def _participant(self, room_name: str, identity: str) -> Participant:
        """Raises TwirpError when the room or the participant does not exist."""
        found = self.rooms.rooms.get(room_name)
        if found is None or identity not in found.participants:
            raise TwirpError("not_found", "participant does not exist")
        return found.participants[identity]
