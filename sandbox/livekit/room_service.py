"""livekit.RoomService (protocols.md 1.5)."""

from dataclasses import dataclass

from livekit.protocol import models, room

from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.rooms import Participant, Rooms, check_metadata_size
from sandbox.livekit.twirp import rpc_error

MAX_ROOM_NAME_LENGTH, MAX_ATTRIBUTES_LENGTH = 256, 64 * 1024


@dataclass
class RoomService:
    rooms: Rooms

    async def create(self, request: room.CreateRoomRequest, grants: Grants) -> models.Room:
        if not request.name:
            raise rpc_error("invalid_argument", "no room name")
        if len(request.name) > MAX_ROOM_NAME_LENGTH:
            raise rpc_error("invalid_argument", "room name length exceeds limits")
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
        self.rooms.delete(request.room)
        return room.DeleteRoomResponse()

    async def list_participants(
        self, request: room.ListParticipantsRequest, grants: Grants
    ) -> room.ListParticipantsResponse:
        here = self.rooms.rooms.get(
            request.room
        )  # an unknown room lists nobody (livekit roomservice.go)
        return room.ListParticipantsResponse(
            participants=[p.info for p in here.participants.values()] if here else []
        )

    async def get_participant(
        self, request: room.RoomParticipantIdentity, grants: Grants
    ) -> models.ParticipantInfo:
        return self._participant(request.room, request.identity).info

    async def remove_participant(
        self, request: room.RoomParticipantIdentity, grants: Grants
    ) -> room.RemoveParticipantResponse:
        self._participant(request.room, request.identity)
        self.rooms.leave(self.rooms.get(request.room), request.identity, models.PARTICIPANT_REMOVED)
        return room.RemoveParticipantResponse()

    async def update_participant(
        self, request: room.UpdateParticipantRequest, grants: Grants
    ) -> models.ParticipantInfo:
        info = self._participant(request.room, request.identity).info
        check_metadata_size(request.metadata)
        if sum(len(k) + len(v) for k, v in request.attributes.items()) > MAX_ATTRIBUTES_LENGTH:
            raise rpc_error("invalid_argument", "attribute size exceeds limits")
        info.metadata = request.metadata or info.metadata
        info.name = request.name or info.name
        for name, value in request.attributes.items():
            if value:
                info.attributes[name] = value
            else:
                info.attributes.pop(name, None)
        return info

    async def update_metadata(
        self, request: room.UpdateRoomMetadataRequest, grants: Grants
    ) -> models.Room:
        here = self.rooms.get(request.room)
        check_metadata_size(request.metadata)
        here.info.metadata = request.metadata
        return here.info

    async def send_data(
        self, request: room.SendDataRequest, grants: Grants
    ) -> room.SendDataResponse:
        here = self.rooms.get(request.room)
        here.data.append({"topic": request.topic, "data": request.data.decode(errors="replace")})
        return room.SendDataResponse()

    async def mute(
        self, request: room.MuteRoomTrackRequest, grants: Grants
    ) -> room.MuteRoomTrackResponse:
        for track in self._participant(request.room, request.identity).info.tracks:
            if track.sid == request.track_sid:
                track.muted = request.muted
                return room.MuteRoomTrackResponse(track=track)
        raise rpc_error("not_found", "track is not found")

    def _participant(self, room_name: str, identity: str) -> Participant:
        here = self.rooms.rooms.get(room_name)
        if here is None or identity not in here.participants:
            raise rpc_error("not_found", "participant does not exist")
        return here.participants[identity]
