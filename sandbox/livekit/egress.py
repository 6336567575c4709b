"""livekit.Egress for room composites: what is recorded, where it goes, how it ends (protocols.md
4).
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import aiohttp
from google.protobuf.json_format import MessageToDict, ParseDict
from livekit.protocol import egress
from livekit.protocol.room import CreateRoomRequest

from sandbox.clock import Clock
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.calls import Call
from sandbox.livekit.ogg_opus import OggRecorder
from sandbox.livekit.rooms import Room, Rooms
from sandbox.livekit.twirp import TwirpError, rpc_error
from sandbox.livekit.webhooks import Webhooks
from sandbox.s3 import upload
from sandbox.store import Row, Store

EGRESS_TABLE = "egress"
FINISH_SECONDS = 1.0  # simulated seconds between the end of the sound and the file
AGENT_RECORDS_AFTER_SECONDS = 1.0  # wall clock: the control plane may be about to start one
FINAL_STATUSES = (
    egress.EGRESS_COMPLETE,
    egress.EGRESS_FAILED,
    egress.EGRESS_ABORTED,
    egress.EGRESS_LIMIT_REACHED,
)


@dataclass(eq=False)
class Recording:
    """One egress at work. `heard_from` and `heard_until` are Unix times, None until the callee is
    heard.
    """

    info: egress.EgressInfo
    output: egress.EncodedFileOutput
    sound_started_at: float | None = None
    sound_ended_at: float | None = None
    ending: str = ""


@dataclass
class Egress:
    clock: Clock
    store: Store
    rooms: Rooms
    webhooks: Webhooks
    session: aiohttp.ClientSession
    folder: Path
    recorder: OggRecorder = field(default_factory=OggRecorder)
    active: dict[str, Recording] = field(default_factory=dict)
    agent_upload: egress.S3Upload | None = (
        None  # where an agent's own recordings go; None: the folder
    )
    _wanted_since: dict[str, float] = field(
        default_factory=dict
    )  # room -> since when its agent wants it recorded
    _ids_by_room: defaultdict[str, list[str]] = field(
        default_factory=lambda: defaultdict(list)
    )  # every one there ever was
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
        self._start_for_agent(
            room
        )  # an agent that hung up at once has closed the room before the call is over
        for recording in self._active_in(room):
            self._end(recording, "Source closed")

    def start_sound(self, call: Call) -> None:
        for recording in self._active_in(call.room):
            recording.sound_started_at = recording.sound_started_at or self.clock.now()
            recording.info.status = egress.EGRESS_ACTIVE

    def end_sound(self, call: Call) -> None:
        self._start_for_agent(call.room)
        for recording in self._active_in(call.room):
            recording.sound_ended_at = self.clock.now()

    def record_for_agent(self, room: Room, agent: dict[str, Any]) -> None:
        """An agent that is to record sees to it that somebody does: itself, when nobody has started
        a second later.
        """
        if agent.get("recording_enabled"):
            self._wanted_since[room.name] = self.clock.now()
            asyncio.get_running_loop().call_later(
                AGENT_RECORDS_AFTER_SECONDS, self._start_for_agent, room
            )

    def _start_for_agent(self, room: Room) -> None:
        answered_at = self._wanted_since.pop(room.name, None)
        if answered_at is None or room.egress:
            return
        request = egress.RoomCompositeEgressRequest(room_name=room.name, audio_only=True)
        output = request.file_outputs.add(
            file_type=egress.OGG, filepath=f"recordings/{room.name}.ogg"
        )
        if self.agent_upload is None:
            output.filepath = f"{room.name}.ogg"
        else:
            output.s3.CopyFrom(self.agent_upload)
        recording = self._start(room, request)
        recording.sound_started_at, recording.info.status = answered_at, egress.EGRESS_ACTIVE

    def _active_in(self, room: Room) -> list[Recording]:
        return [self.active[egress_id] for egress_id in room.egress if egress_id in self.active]

    # --- an egress's life ---

    def _start(self, room: Room, request: egress.RoomCompositeEgressRequest) -> Recording:
        """Raises TwirpError."""
        outputs = list(request.file_outputs) or ([request.file] if request.HasField("file") else [])
        if not outputs:
            raise rpc_error("invalid_argument", "request has missing or invalid field: output")
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
        self.store.put(
            EGRESS_TABLE, info.egress_id, MessageToDict(info, preserving_proto_field_name=True)
        )

    def _end(self, recording: Recording, why: str) -> None:
        if recording.ending:
            return
        recording.ending = why
        recording.sound_ended_at = recording.sound_ended_at or self.clock.now()
        recording.info.status = egress.EGRESS_ENDING
        task = asyncio.get_running_loop().create_task(self._finish(recording))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, recording: Recording) -> None:
        await self.clock.sleep(FINISH_SECONDS)
        info = recording.info
        info.details = f"End reason: {recording.ending}"
        if recording.sound_started_at is None or recording.sound_ended_at is None:
            info.status, info.error, info.error_code = (
                egress.EGRESS_ABORTED,
                "Start signal not received",
                412,
            )
        else:
            await self._save(recording, recording.sound_started_at, recording.sound_ended_at)
        info.ended_at = info.updated_at = int(self.clock.now() * 1e9)
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
                file.location = await upload.put_object(
                    self.session, output.s3, filename, sound, "audio/ogg"
                )
            else:
                file.location = str(self._write(filename, sound))
        except upload.UploadError as error:
            info.status, info.error, info.error_code = (
                egress.EGRESS_FAILED,
                f"S3 upload failed: {error}",
                400,
            )
        except OSError as error:
            info.status, info.error, info.error_code = (
                egress.EGRESS_FAILED,
                f"file write failed: {error.strerror}",
                500,
            )
        else:
            info.status = egress.EGRESS_COMPLETE

    def _write(self, filename: str, sound: bytes) -> Path:
        """Under another name first: whoever sees the file sees all of it."""
        path = self.folder / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(sound)
        part.replace(path)
        return path

    # --- livekit.Egress ---

    async def start_room_composite(
        self, request: egress.RoomCompositeEgressRequest, grants: Grants
    ) -> egress.EgressInfo:
        room = self.rooms.get(request.room_name)
        recording = self._start(room, request)
        if any(
            p.info.attributes.get("sip.callStatus") == "active" for p in room.participants.values()
        ):
            recording.sound_started_at, recording.info.status = (
                self.clock.now(),
                egress.EGRESS_ACTIVE,
            )
        return recording.info

    async def list(
        self, request: egress.ListEgressRequest, grants: Grants
    ) -> egress.ListEgressResponse:
        rows = self.store.table(EGRESS_TABLE)
        keys: Iterable[str] = (
            self._ids_by_room.get(request.room_name, ()) if request.room_name else rows
        )
        asked = [key for key in keys if request.egress_id in ("", key)]
        items = [
            self.active[key].info if key in self.active else _info_of_row(rows[key])
            for key in asked
        ]
        return egress.ListEgressResponse(
            items=[info for info in items if not (request.active and info.status in FINAL_STATUSES)]
        )

    async def stop(self, request: egress.StopEgressRequest, grants: Grants) -> egress.EgressInfo:
        recording = self.active.get(request.egress_id)
        if recording is not None:
            self._end(recording, "StopEgress API")
            return recording.info
        row = self.store.table(EGRESS_TABLE).get(request.egress_id)
        if row is None:
            raise rpc_error("not_found", "egress does not exist")
        raise TwirpError(
            "failed_precondition", f"egress with status {row['status']} cannot be stopped"
        )

    async def wait_until_idle(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _info_of_row(row: Row) -> egress.EgressInfo:
    """One that is not at work. If it still says so, the sandbox died in the middle of it."""
    info = ParseDict(row, egress.EgressInfo())
    if info.status not in FINAL_STATUSES:
        info.status, info.error, info.error_code = egress.EGRESS_FAILED, "egress worker lost", 500
    return info


def storage_key(template: str, room_name: str, room_id: str, started_at: float) -> str:
    """Where the recording goes, by egress's templates; the extension is always the container's,
    .ogg.
    """
    moment = datetime.fromtimestamp(started_at, UTC)
    time, utc = (
        moment.strftime("%Y-%m-%dT%H%M%S"),
        moment.strftime("%Y%m%d%H%M%S") + f"{moment.microsecond // 1000:03d}",
    )
    generated = f"{room_name}-{time}"
    path = f"{template}{generated}" if template.endswith("/") else template or generated
    values = {"room_name": room_name, "room_id": room_id, "time": time, "utc": utc}
    path = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), path)
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..", ".")]
    clean = PurePosixPath(*parts) if parts else PurePosixPath(generated)
    known = clean.suffix in (".ogg", ".mp4", ".mp3", ".m4a", ".webm")
    return str(clean.with_suffix(".ogg") if known else clean.with_name(f"{clean.name}.ogg"))


def redact_secrets(
    request: egress.RoomCompositeEgressRequest, room_name: str
) -> egress.RoomCompositeEgressRequest:
    """The request as events repeat it: without secrets."""
    echo = egress.RoomCompositeEgressRequest()
    echo.CopyFrom(request)
    echo.room_name = room_name
    for output in [*echo.file_outputs, echo.file] if echo.HasField("file") else echo.file_outputs:
        if output.HasField("s3"):
            output.s3.access_key, output.s3.secret, output.s3.session_token = (
                "{access_key}",
                "{secret}",
                "",
            )
    return echo
