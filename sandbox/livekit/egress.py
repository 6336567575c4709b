"""livekit.Egress for room composites: recordings from their start to the stored file
(docs/reference/protocols.md §4).
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from google.protobuf.json_format import MessageToDict, ParseDict
from livekit.protocol import egress
from livekit.protocol.room import CreateRoomRequest

from sandbox.clock import Clock
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.calls import Call
from sandbox.livekit.egress_output import redact_secrets, storage_key, write_file
from sandbox.livekit.ogg_opus import OggRecorder
from sandbox.livekit.rooms import Room, Rooms
from sandbox.livekit.twirp import NoRespondersError, TwirpError
from sandbox.livekit.webhooks import Webhooks
from sandbox.s3.upload import UploadError, put_object
from sandbox.store import Row, Store

EGRESS_TABLE = "egress"
FINISH_SECONDS = 1.0  # simulated, from the end of the sound to the stored file
AGENT_RECORDS_AFTER_SECONDS = 1.0  # wall clock: VoiceOps may be about to start a recording
FINAL_STATUSES = (
    egress.EGRESS_COMPLETE,
    egress.EGRESS_FAILED,
    egress.EGRESS_ABORTED,
    egress.EGRESS_LIMIT_REACHED,
)


@dataclass(eq=False)
class Recording:
    """An active egress. The sound's times are Unix times, None until the callee answers.

    `end_reason` is empty until the egress ends.
    """

    info: egress.EgressInfo
    output: egress.EncodedFileOutput
    sound_started_at: float | None = None
    sound_ended_at: float | None = None
    end_reason: str = ""


@dataclass
class Egress:
    """The active recordings by egress id, and the results of all in the store.

    `agent_upload` is where recordings started by the agent go; None writes them to `folder`.
    """

    clock: Clock
    store: Store
    rooms: Rooms
    webhooks: Webhooks
    session: aiohttp.ClientSession
    folder: Path
    recorder: OggRecorder = field(default_factory=OggRecorder)
    active: dict[str, Recording] = field(default_factory=dict)
    agent_upload: egress.S3Upload | None = None
    # When the agent of a room, which wants a recording, was answered. By the room itself: another
    # of its name may be open already.
    _wanted_since: dict[Room, float] = field(default_factory=dict)
    # By room: every egress there ever was.
    _ids_by_room: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rooms.on_created.append(self._room_created)
        self.rooms.on_closed.append(self._room_closed)
        for key, row in self.store.table(EGRESS_TABLE).items():
            self._ids_by_room[row["room_name"]].append(key)

    # --- what happens in the rooms ---

    def _room_created(self, room: Room, request: CreateRoomRequest) -> None:
        if request.egress.HasField("room"):
            self._start(room, request.egress.room)

    def _room_closed(self, room: Room) -> None:
        # An agent that hangs up at once closes the room before the call ends, so a recording that
        # it wants starts here at the latest.
        self._start_for_agent(room)
        for recording in self._active_in(room):
            self._begin_end(recording, "Source closed")

    def start_sound(self, call: Call) -> None:
        """Start the sound of the room's recordings: the callee has answered."""
        for recording in self._active_in(call.room):
            recording.sound_started_at = recording.sound_started_at or self.clock.now()
            recording.info.status = egress.EGRESS_ACTIVE

    def end_sound(self, call: Call) -> None:
        """End the sound of the room's recordings: the call has ended."""
        self._start_for_agent(call.room)
        for recording in self._active_in(call.room):
            recording.sound_ended_at = self.clock.now()

    def record_for_agent(self, room: Room, agent: dict[str, Any]) -> None:
        """Record the room from now on if its agent wants a recording.

        The agent starts one itself when there is no other a second later. A room that is closed by
        then is not found, and nothing is recorded.
        """
        if agent.get("recording_enabled") and not room.closed.done():
            self._wanted_since[room] = self.clock.now()
            asyncio.get_running_loop().call_later(
                AGENT_RECORDS_AFTER_SECONDS, self._start_for_agent, room
            )

    def _start_for_agent(self, room: Room) -> None:
        answered_at = self._wanted_since.pop(room, None)
        # Someone else records the room, no agent wants a recording of it, or nobody could make one.
        if answered_at is None or room.egress or room.is_unrecorded:
            return
        request = egress.RoomCompositeEgressRequest(room_name=room.name, audio_only=True)
        output = request.file_outputs.add(file_type=egress.OGG)
        if self.agent_upload is None:
            output.filepath = f"{room.name}.ogg"
        else:
            output.filepath = f"recordings/{room.name}.ogg"
            output.s3.CopyFrom(self.agent_upload)
        recording = self._start(room, request)
        recording.sound_started_at = answered_at
        recording.info.status = egress.EGRESS_ACTIVE

    def _active_in(self, room: Room) -> list[Recording]:
        return [self.active[egress_id] for egress_id in room.egress if egress_id in self.active]

    # --- the life of an egress ---

    def _start(self, room: Room, request: egress.RoomCompositeEgressRequest) -> Recording:
        """Start an egress. Raises TwirpError when the request has no output."""
        outputs = list(request.file_outputs)
        if not outputs and request.HasField("file"):
            outputs = [request.file]
        if not outputs:
            raise TwirpError("invalid_argument", "request has missing or invalid field: output")

        now = int(self.clock.now() * 1e9)
        info = egress.EgressInfo(
            egress_id=new_livekit_id("EG_"),
            room_id=room.info.sid,
            room_name=room.name,
            status=egress.EGRESS_STARTING,
            source_type=egress.EGRESS_SOURCE_TYPE_WEB,
            started_at=now,
            updated_at=now,
            room_composite=redact_secrets(request, room.name),
        )
        recording = self.active[info.egress_id] = Recording(info, outputs[0])
        room.egress.append(info.egress_id)
        self._ids_by_room[room.name].append(info.egress_id)
        self._store_info(info)
        self.webhooks.send("egress_started", key=info.egress_id, egressInfo=info)
        return recording

    def _store_info(self, info: egress.EgressInfo) -> None:
        row = MessageToDict(info, preserving_proto_field_name=True)
        self.store.put(EGRESS_TABLE, info.egress_id, row)

    def _begin_end(self, recording: Recording, reason: str) -> None:
        # StopEgress and the closing of the room may both end a recording; the first counts.
        if recording.end_reason:
            return
        recording.end_reason = reason
        recording.sound_ended_at = recording.sound_ended_at or self.clock.now()
        recording.info.status = egress.EGRESS_ENDING
        task = asyncio.get_running_loop().create_task(self._finish(recording))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, recording: Recording) -> None:
        await self.clock.sleep(FINISH_SECONDS)
        info = recording.info
        info.details = f"End reason: {recording.end_reason}"
        if recording.sound_started_at is None or recording.sound_ended_at is None:
            _set_failure(info, egress.EGRESS_ABORTED, "Start signal not received", 412)
        else:
            await self._save(recording, recording.sound_started_at, recording.sound_ended_at)

        now = int(self.clock.now() * 1e9)
        info.ended_at = now
        info.updated_at = now
        del self.active[info.egress_id]
        self._store_info(info)
        self.webhooks.send("egress_ended", key=info.egress_id, egressInfo=info)

    async def _save(self, recording: Recording, start: float, end: float) -> None:
        info, output = recording.info, recording.output
        seconds = (end - start) * self.clock.speed
        sound = self.recorder.record(seconds)
        filename = storage_key(output.filepath, info.room_name, info.room_id, info.started_at / 1e9)
        file = info.file_results.add(
            filename=filename,
            started_at=int(start * 1e9),
            ended_at=int(end * 1e9),
            duration=int(seconds * 1e9),
            size=len(sound),
        )
        try:
            if output.HasField("s3"):
                file.location = await put_object(
                    self.session, output.s3, filename, sound, "audio/ogg"
                )
            else:
                path = self.folder / filename
                write_file(path, sound)
                file.location = str(path)
        except UploadError as error:
            _set_failure(info, egress.EGRESS_FAILED, f"S3 upload failed: {error}", 400)
        except OSError as error:
            _set_failure(info, egress.EGRESS_FAILED, f"file write failed: {error.strerror}", 500)
        else:
            info.status = egress.EGRESS_COMPLETE

    # --- livekit.Egress ---

    async def start_room_composite(
        self, request: egress.RoomCompositeEgressRequest, grants: Grants
    ) -> egress.EgressInfo:
        """Raises TwirpError when the room does not exist or the request has no output,
        NoRespondersError when there is no egress service.
        """
        room = self.rooms.get(request.room_name)
        if room.is_unrecorded or self.rooms.faults.draw_egress_missing():
            room.is_unrecorded = True
            raise NoRespondersError
        recording = self._start(room, request)
        statuses = [p.info.attributes.get("sip.callStatus") for p in room.participants.values()]
        if "active" in statuses:
            recording.sound_started_at = self.clock.now()
            recording.info.status = egress.EGRESS_ACTIVE
        return recording.info

    async def list(
        self, request: egress.ListEgressRequest, grants: Grants
    ) -> egress.ListEgressResponse:
        rows = self.store.table(EGRESS_TABLE)
        ids: Iterable[str] = rows
        if request.room_name:
            ids = self._ids_by_room.get(request.room_name, ())
        found = [self._info(key) for key in ids if request.egress_id in ("", key)]
        if request.active:
            found = [info for info in found if info.status not in FINAL_STATUSES]
        return egress.ListEgressResponse(items=found)

    def _info(self, egress_id: str) -> egress.EgressInfo:
        if egress_id in self.active:
            return self.active[egress_id].info
        return _info_of_row(self.store.table(EGRESS_TABLE)[egress_id])

    async def stop(self, request: egress.StopEgressRequest, grants: Grants) -> egress.EgressInfo:
        """Raises TwirpError when the egress does not exist or has ended."""
        recording = self.active.get(request.egress_id)
        if recording is not None:
            self._begin_end(recording, "StopEgress API")
            return recording.info
        row = self.store.table(EGRESS_TABLE).get(request.egress_id)
        if row is None:
            raise TwirpError("not_found", "egress does not exist")
        raise TwirpError(
            "failed_precondition", f"egress with status {row['status']} cannot be stopped"
        )

    async def wait_until_idle(self) -> None:
        """Wait until no recording is being saved."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _set_failure(
    info: egress.EgressInfo, status: egress.EgressStatus, error: str, code: int
) -> None:
    info.status = status
    info.error = error
    info.error_code = code


def _info_of_row(row: Row) -> egress.EgressInfo:
    """Read an egress that is not active. If it had not ended, the sandbox died during it."""
    info = ParseDict(row, egress.EgressInfo())
    if info.status not in FINAL_STATUSES:
        _set_failure(info, egress.EGRESS_FAILED, "egress worker lost", 500)
    return info
