"""The bodies of a room's events (docs/reference/protocols.md §3, docs/reference/real-livekit.md
§4).
"""

from dataclasses import dataclass

from livekit.protocol import models

from sandbox.livekit.webhooks import Webhooks


@dataclass
class RoomEvents:
    """Sends what happens in rooms, in order per room."""

    webhooks: Webhooks

    def room_started(self, room: models.Room) -> None:
        self.webhooks.send("room_started", key=room.name, room=room)

    def room_finished(self, room: models.Room, reason: models.RoomEndReason) -> None:
        name = models.RoomEndReason.Name(reason)
        self.webhooks.send("room_finished", key=room.name, room=room, roomEndReason=name)

    def participant_joined(self, room: models.Room, participant: models.ParticipantInfo) -> None:
        self.webhooks.send("participant_joined", key=room.name, room=room, participant=participant)

    def track_changed(
        self,
        event: str,
        room: models.Room,
        participant: models.ParticipantInfo,
        track: models.TrackInfo,
    ) -> None:
        """Send `track_published` or `track_unpublished`, which carry ids instead of the rest."""
        self.webhooks.send(
            event,
            key=room.name,
            room=models.Room(sid=room.sid, name=room.name),
            participant=models.ParticipantInfo(sid=participant.sid, identity=participant.identity),
            track=track,
        )

    def participant_left(self, room: models.Room, participant: models.ParticipantInfo) -> None:
        """Send that a participant left, after the end of a callee's track.

        An agent leaves with its room, whose end is not told track by track.
        """
        if participant.kind != models.ParticipantInfo.Kind.AGENT:
            for track in participant.tracks:
                self.track_changed("track_unpublished", room, participant, track)
        left = models.ParticipantInfo()
        left.CopyFrom(participant)
        left.is_publisher = bool(left.tracks)
        left.ClearField("tracks")
        self.webhooks.send("participant_left", key=room.name, room=room, participant=left)
