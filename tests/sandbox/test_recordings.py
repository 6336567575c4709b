"""Recordings: egress's events, and the files they name."""

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from livekit import api
from livekit.protocol import models
from moto.server import ThreadedMotoServer

from sandbox import server
from sandbox.config import Config
from sandbox.livekit import egress
from sandbox.livekit.egress_output import storage_key
from sandbox.livekit.ogg_opus import OggRecorder
from tests import sandbox_server
from tests.sandbox.calling import invite, make_room, make_trunk
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import Receiver, run_receiver
from tests.sandbox_server import RunningSandbox

KEYS = {"access_key": "key", "secret": "secret", "region": "eu-west-1"}


def output(filepath: str, **s3: Any) -> api.RoomCompositeEgressRequest:
    file = api.EncodedFileOutput(file_type=api.EncodedFileType.OGG, filepath=filepath)
    if s3:
        file.s3.CopyFrom(api.S3Upload(**{**KEYS, **s3}))
    return api.RoomCompositeEgressRequest(audio_only=True, file_outputs=[file])


async def record_call(
    box: RunningSandbox, receiver: Receiver, request: api.RoomCompositeEgressRequest, number: str
) -> list[Any]:
    """Make one call in a room that records from its creation. Returns egress's events."""
    async with livekit(box) as lk:
        trunk = await make_trunk(lk)
        await lk.room.create_room(
            api.CreateRoomRequest(
                name="room", departure_timeout=1, egress=api.RoomEgress(room=request)
            )
        )
        try:
            await lk.sip.create_sip_participant(invite(trunk, number), timeout=10)
        except api.ServerError:
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
        await asyncio.to_thread(box.wait_until_idle)
    return [e for e in receiver.events() if e.event.startswith("egress_")]


def channels_and_seconds(ogg: bytes) -> tuple[int, float]:
    """Read an Ogg Opus file: channels from its head, seconds from its last page."""
    assert ogg[:4] == b"OggS"
    head = ogg.index(b"OpusHead")
    last = ogg.rindex(b"OggS")
    assert ogg[last + 5] & 4  # the flag of the last page
    (position,) = struct.unpack_from("<q", ogg, last + 6)
    (skip,) = struct.unpack_from("<H", ogg, head + 10)
    return ogg[head + 9], (position - skip) / 48_000


async def test_answered_call_leaves_a_recording_with_two_channels() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=100, webhook_url=f"{receiver.url}/events") as box,
    ):
        events = await record_call(box, receiver, output("recordings/w1/c1.ogg"), "+12025550101")
        sound = (box.data_dir / "recordings/recordings/w1/c1.ogg").read_bytes()
        (call,) = box.calls()

    talked = (call["ended_at"] - call["answered_at"]) * 100
    channels, seconds = channels_and_seconds(sound)
    assert channels == 2
    assert seconds == pytest.approx(talked, abs=0.5)
    assert [e.event for e in events] == ["egress_started", "egress_ended"]
    info = events[1].egress_info
    (file,) = info.file_results
    assert (info.status, info.room_name, info.details) == (
        3,
        "room",
        "End reason: Source closed",
    )  # EGRESS_COMPLETE
    assert (file.filename, file.size) == ("recordings/w1/c1.ogg", len(sound))
    assert file.duration == pytest.approx(seconds * 1e9, rel=0.01)


async def test_unanswered_call_leaves_no_recording() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=100, webhook_url=f"{receiver.url}/events") as box,
    ):
        events = await record_call(box, receiver, output("c1.ogg"), "+12025550170")
        left = list(box.data_dir.glob("recordings/**/*.ogg"))

    info = events[-1].egress_info
    assert (info.status, info.error, info.error_code) == (
        5,
        "Start signal not received",
        412,
    )  # EGRESS_ABORTED
    assert (list(info.file_results), left) == ([], [])


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


async def test_recording_is_uploaded_to_its_bucket(s3: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=s3,
        region_name="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(
        Bucket="rec", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=100, webhook_url=f"{receiver.url}/events") as box,
    ):
        request = output("w1/c 1.ogg", bucket="rec", endpoint=s3, force_path_style=True)
        events = await record_call(box, receiver, request, "+12025550101")

    stored = client.get_object(Bucket="rec", Key="w1/c 1.ogg")
    assert channels_and_seconds(stored["Body"].read())[0] == 2
    assert stored["ContentType"] == "audio/ogg"
    info = events[-1].egress_info
    assert (info.status, info.file_results[0].location) == (3, f"{s3}/rec/w1/c%201.ogg")
    echo = info.room_composite.file_outputs[0].s3
    assert (echo.access_key, echo.secret, echo.bucket) == ("{access_key}", "{secret}", "rec")


async def test_recording_is_uploaded_to_the_sandboxs_own_bucket() -> None:
    keys = {"access_key": "sandbox", "secret": "sandbox", "bucket": "rec"}
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=100, webhook_url=f"{receiver.url}/events") as box,
    ):
        client = boto3.client(
            "s3",
            endpoint_url=f"{box.url}/s3",
            region_name="eu-west-1",
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )
        client.create_bucket(
            Bucket="rec", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        events = await record_call(
            box, receiver, output("w1/c 1.ogg", endpoint=f"{box.url}/s3", **keys), "+12025550101"
        )
        sound = client.get_object(Bucket="rec", Key="w1/c 1.ogg")["Body"].read()

    assert events[-1].egress_info.status == 3  # EGRESS_COMPLETE
    assert channels_and_seconds(sound)[0] == 2


async def test_failed_upload_is_reported_at_the_end(s3: str) -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=100, webhook_url=f"{receiver.url}/events") as box,
    ):
        request = output("c1.ogg", bucket="missing", endpoint=s3, force_path_style=True)
        events = await record_call(box, receiver, request, "+12025550101")

    info = events[-1].egress_info
    assert (info.status, info.error_code) == (4, 400)  # EGRESS_FAILED
    assert info.error == "S3 upload failed: operation error S3: PutObject, api error NoSuchBucket"


# At speed 100 who hangs up within a second is gone before a busy machine's agent has begun.
@pytest.mark.parametrize(
    ("number", "speed", "least"),
    [("+12025550101", 100, 10.0), ("+12025550155", 5, 0.1), ("+12025550175", 100, 0.0)],
)
async def test_agent_records_a_call_that_is_not_recorded(
    number: str, speed: int, least: float
) -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=speed, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await make_room(lk, "room")
            await asyncio.to_thread(box.wait_for, lambda: box.rooms()[0]["participants"])
            await lk.sip.create_sip_participant(invite(trunk, number), timeout=10)
        await asyncio.to_thread(box.wait_until_idle)
        sound = (box.data_dir / "recordings/room.ogg").read_bytes()

    assert channels_and_seconds(sound)[0] == 2
    assert channels_and_seconds(sound)[1] > least
    assert [e.event for e in receiver.events() if e.event.startswith("egress")] == [
        "egress_started",
        "egress_ended",
    ]


async def test_agent_whose_room_is_closed_by_then_records_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiveKit finds no such room, and starts no egress: one would have nothing to end it."""
    monkeypatch.setattr(egress, "AGENT_RECORDS_AFTER_SECONDS", 0.0)
    sandbox = await server.start(Config(data_dir=tmp_path, port=0, speed=100))
    room = sandbox.rooms.get_or_create_by_name("room")
    sandbox.rooms.delete("room")
    sandbox.egress.record_for_agent(room, {"recording_enabled": True})
    await asyncio.sleep(0.05)
    active = list(sandbox.egress.active)
    await sandbox.stop()

    assert (active, room.egress) == ([], [])


async def test_agent_records_its_own_room_although_one_of_that_name_was_just_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "AGENT_RECORDS_AFTER_SECONDS", 0.0)
    sandbox = await server.start(Config(data_dir=tmp_path, port=0, speed=100))
    rooms = []
    for _ in range(2):
        rooms.append(sandbox.rooms.get_or_create_by_name("room"))
        sandbox.egress.record_for_agent(rooms[-1], {"recording_enabled": True})
        if len(rooms) == 1:
            sandbox.rooms.close(rooms[0], models.ROOM_END_API_DELETE, models.ROOM_DELETED)
    await asyncio.sleep(0.05)
    recorded = [len(room.egress) for room in rooms]
    sandbox.rooms.delete("room")
    await sandbox.egress.wait_until_idle()
    active = list(sandbox.egress.active)
    await sandbox.stop()

    assert (recorded, active) == ([1, 1], [])


async def test_agent_does_not_record_a_call_that_is_recorded() -> None:
    with sandbox_server.start(speed=20) as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await make_room(lk, "room")
            await asyncio.to_thread(box.wait_for, lambda: box.rooms()[0]["participants"])
            await lk.sip.create_sip_participant(invite(trunk, "+12025550101"), timeout=10)
            request = output("w1/c1.ogg")
            request.room_name = "room"
            await lk.egress.start_room_composite_egress(request)
            await asyncio.to_thread(box.wait_until_idle)
            made = await lk.egress.list_egress(api.ListEgressRequest(room_name="room"))

    assert [e.file_results[0].filename for e in made.items] == ["w1/c1.ogg"]


async def test_egress_is_started_listed_and_stopped() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=20, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, "+12025550101"), timeout=10)
            request = output("{room_name}/{time}-x.mp4")
            request.room_name = "room"
            started = await lk.egress.start_room_composite_egress(request)
            active = await lk.egress.list_egress(
                api.ListEgressRequest(room_name="room", active=True)
            )
            await asyncio.sleep(0.2)
            await lk.egress.stop_egress(api.StopEgressRequest(egress_id=started.egress_id))
            await asyncio.to_thread(
                box.wait_for,
                lambda: (
                    len(receiver.events()) > 4 and receiver.events()[-1].event == "egress_ended"
                ),
            )
            with pytest.raises(api.ServerError) as again:
                await lk.egress.stop_egress(api.StopEgressRequest(egress_id=started.egress_id))
            listed = await lk.egress.list_egress(api.ListEgressRequest(egress_id=started.egress_id))
            with pytest.raises(api.ServerError) as nowhere:
                await lk.egress.start_room_composite_egress(
                    api.RoomCompositeEgressRequest(room_name="none")
                )

    assert [e.egress_id for e in active.items] == [started.egress_id]
    (ended,) = listed.items
    assert (ended.status, ended.details) == (3, "End reason: StopEgress API")
    assert ended.file_results[0].filename.startswith("room/20")
    assert ended.file_results[0].filename.endswith("-x.ogg")
    assert (again.value.status, again.value.message) == (
        412,
        "egress with status EGRESS_COMPLETE cannot be stopped",
    )
    assert (nowhere.value.status, nowhere.value.message) == (
        404,
        "requested room does not exist",
    )


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", "room-1970-01-01T000100.ogg"),
        ("w1/", "w1/room-1970-01-01T000100.ogg"),
        ("w1/{room_name}_{room_id}", "w1/room_RM_1.ogg"),
        ("../../etc/{utc}.ogg", "etc/19700101000100000.ogg"),
        ("/srv/a.mp3", "srv/a.ogg"),
        ("a.b", "a.b.ogg"),
    ],
)
def test_file_name_follows_egress_templates(template: str, expected: str) -> None:
    assert storage_key(template, "room", "RM_1", 60.0) == expected


@pytest.mark.parametrize("seconds", [0.001, 0.6, 1.0, 7.999, 8.0, 59.37, 601.0])
def test_recording_has_the_requested_duration(seconds: float) -> None:
    recorder = OggRecorder()
    recorder.record(30.0)  # earlier recordings make no difference

    channels, lasting = channels_and_seconds(recorder.record(seconds))

    assert channels == 2
    assert lasting == pytest.approx(max(seconds, 0.02), abs=1e-4)


async def test_recording_fails_when_the_sandbox_dies(tmp_path: Path) -> None:
    with sandbox_server.start(data_dir=tmp_path) as box:
        async with livekit(box) as lk:
            request = api.CreateRoomRequest(
                name="room", egress=api.RoomEgress(room=output("c1.ogg"))
            )
            await lk.room.create_room(request)
    with sandbox_server.start(data_dir=tmp_path) as box:
        async with livekit(box) as lk:
            (left,) = (await lk.egress.list_egress(api.ListEgressRequest(room_name="room"))).items

    assert (left.status, left.error) == (4, "egress worker lost")  # EGRESS_FAILED
