"""The sandbox beside what a real LiveKit answered: every row of recorded/livekit-1.13.11.json."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as PackedMessage
from livekit import api
from livekit.protocol.sip import SIPStatus

from sandbox.livekit.access_tokens import make_token
from tests import sandbox_server
from tests.sandbox.calling import dial, invite, make_room, make_trunk
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import Receiver, run_receiver
from tests.sandbox_server import RunningSandbox

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "recorded/livekit-1.13.11.json").read_text()
)
NUMBER = "+12025550101"


def words(row: dict[str, Any]) -> str:
    peer = json.dumps(row["peer"]).replace('"', "")
    return f"{peer} {row.get('ringing_timeout', '')}".strip()


def answer_of(error: api.ServerError) -> dict[str, Any]:
    return {"status": error.status, "code": error.code, "message": error.message}


def left_of(receiver: Receiver) -> dict[str, Any]:
    """The reason and the status of the first callee who left."""
    left = next(
        e.participant
        for e in receiver.events()
        if e.event == "participant_left" and not e.participant.identity.startswith("agent")
    )
    reason = api.DisconnectReason.Name(left.disconnect_reason)
    return {"reason": reason, "call_status": left.attributes["sip.callStatus"]}


@pytest.mark.parametrize("row", RECORDED["create_sip_participant"], ids=words)
async def test_dial_is_answered_as_a_real_livekit_answers_it(row: dict[str, Any]) -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=400, webhook_url=f"{receiver.url}/events") as box,
    ):
        box.set_behaviours({NUMBER: row["peer"]})
        began = time.monotonic()
        limit = timedelta(seconds=row.get("ringing_timeout", 30))
        with pytest.raises(api.ServerError) as error:
            await dial(box, NUMBER, ringing_timeout=limit)
        seconds = (time.monotonic() - began) * 400
        receiver_has_left = any_event(receiver, "participant_left")
        await asyncio.to_thread(box.wait_for, receiver_has_left)

    details = error.value.metadata.pop("error_details", "")
    assert {**answer_of(error.value), "meta": error.value.metadata} == {
        name: row[name] for name in ("status", "code", "message", "meta")
    }
    assert row["left"] in (None, left_of(receiver))
    if row["meta"]:
        assert sip_status_in(details) == {
            "code": int(row["meta"]["sip_status_code"]),
            "status": row["meta"]["sip_status"],
        }
    assert seconds >= row.get("seconds", 0)


def any_event(receiver: Receiver, name: str) -> Callable[[], bool]:
    return lambda: any(event.event == name for event in receiver.events())


def sip_status_in(details: str) -> dict[str, Any]:
    """The SIPStatus at the end of a google.rpc.Status in base64."""
    raw = base64.b64decode(details)
    packed, status = PackedMessage(), SIPStatus()
    start = raw.index(b"type.googleapis.com/livekit.SIPStatus") - 2
    packed.ParseFromString(raw[start:])
    assert packed.Unpack(status)
    return {"code": int(status.code), "status": status.status}


@pytest.mark.parametrize("row", RECORDED["interrupted_while_ringing"], ids=lambda row: row["by"])
async def test_interrupted_dial_looks_like_a_ringing_timeout(row: dict[str, Any]) -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=20, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            waiting = asyncio.create_task(
                lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)
            )
            await asyncio.to_thread(box.wait_for, lambda: is_ringing(box))
            if row["by"] == "DeleteRoom":
                await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
            else:
                callee = api.RoomParticipantIdentity(room="room", identity="callee-1")
                await lk.room.remove_participant(callee)
            with pytest.raises(api.ServerError) as error:
                await waiting
        await asyncio.to_thread(box.wait_for, any_event(receiver, "participant_left"))

    assert {**answer_of(error.value), "left": left_of(receiver)} == {
        name: row[name] for name in ("status", "code", "message", "left")
    }


def is_ringing(box: RunningSandbox) -> bool:
    return any(call["status"] == "ringing" for call in box.calls())


Refused = Callable[[RunningSandbox, api.LiveKitAPI], Coroutine[Any, Any, Any]]


async def fill_room(box: RunningSandbox, lk: api.LiveKitAPI) -> Any:
    trunk = await make_trunk(lk)
    await lk.room.create_room(api.CreateRoomRequest(name="room", max_participants=1))
    await lk.sip.create_sip_participant(invite(trunk, NUMBER, wait_until_answered=False))
    second = invite(trunk, NUMBER, participant_identity="callee-2")
    return await lk.sip.create_sip_participant(second, timeout=10)


async def send_data(box: RunningSandbox, lk: api.LiveKitAPI) -> Any:
    return await lk.room.send_data(api.SendDataRequest(room="gone", data=b"x"))


async def list_dispatches(box: RunningSandbox, lk: api.LiveKitAPI) -> Any:
    return await lk.agent_dispatch.list_dispatch("gone")


async def delete_room(box: RunningSandbox, lk: api.LiveKitAPI) -> Any:
    return await lk.room.delete_room(api.DeleteRoomRequest(room="gone"))


async def transfer_ringing(box: RunningSandbox, lk: api.LiveKitAPI) -> Any:
    box.set_behaviours({NUMBER: {"answer_after": 600}})
    trunk = await make_trunk(lk)
    await lk.sip.create_sip_participant(invite(trunk, NUMBER, wait_until_answered=False))
    request = api.TransferSIPParticipantRequest(
        room_name="room", participant_identity="callee-1", transfer_to="tel:+1"
    )
    return await lk.sip.transfer_sip_participant(request)


async def send_long_metadata(box: RunningSandbox, lk: api.LiveKitAPI) -> Any:
    agent = api.RoomAgentDispatch(agent_name="x", metadata="x" * (512 * 1024 + 1))
    return await lk.room.create_room(api.CreateRoomRequest(name="room", agents=[agent]))


async def dial_without_sip_service(box: RunningSandbox, lk: api.LiveKitAPI) -> Any:
    box.crash("sip")
    trunk = await make_trunk(lk)
    return await lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)


REFUSED: dict[str, Refused] = {
    "CreateSIPParticipant, room full": fill_room,
    "SendData": send_data,
    "ListDispatch": list_dispatches,
    "DeleteRoom": delete_room,
    "TransferSIPParticipant, ringing": transfer_ringing,
    "CreateRoom, metadata too long": send_long_metadata,
    "CreateSIPParticipant, no SIP service": dial_without_sip_service,
}


@pytest.mark.parametrize("row", RECORDED["refused_requests"], ids=lambda row: row["request"])
async def test_request_is_refused_as_a_real_livekit_refuses_it(row: dict[str, Any]) -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            with pytest.raises(api.ServerError) as error:
                await REFUSED[row["request"]](box, lk)

    assert answer_of(error.value) == {name: row[name] for name in ("status", "code", "message")}
    assert error.value.metadata == row.get("meta", {})


async def test_expired_token_is_refused_in_livekits_words() -> None:
    with sandbox_server.start() as box:
        token = make_token({}, key=box.api_key, secret=box.api_secret, seconds=-3600)
        async with livekit(box) as lk:
            session = lk.room._client._session
            answer = await session.post(
                f"{box.url}/twirp/livekit.RoomService/ListRooms",
                headers={"Authorization": f"Bearer {token}"},
                json={},
            )
            row = {"status": answer.status, "text": await answer.text()}

    assert row == RECORDED["expired_token"]


async def test_attributes_tell_as_much_as_a_real_livekit_tells() -> None:
    seen: dict[str, list[str]] = {}
    with sandbox_server.start(speed=50) as box:
        box.set_behaviours({NUMBER: {"answer_after": 10, "talk": None}})
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await make_room(lk, "room")
            for name, hidden in (("hidden", True), ("room", False)):
                request = invite(trunk, NUMBER, room_name=name, hide_phone_number=hidden)
                request.wait_until_answered = False
                await lk.sip.create_sip_participant(request)
            seen["before the answer, hidden"] = attributes(box, "hidden", "callee-1")
            seen["before the answer"] = attributes(box, "room", "callee-1")
            await asyncio.to_thread(
                box.wait_for, lambda: all(c["status"] == "in_progress" for c in box.calls())
            )
            seen["after the answer"] = attributes(box, "room", "callee-1")
            seen["agent"] = attributes(box, "room", "agent")

    assert seen == RECORDED["attributes"]


def attributes(box: RunningSandbox, room: str, identity: str) -> list[str]:
    """The names of a participant's attributes, sorted."""
    (found,) = [each for each in box.rooms() if each["room"]["name"] == room]
    return sorted(
        next(
            participant["attributes"]
            for participant in found["participants"]
            if participant["identity"].startswith(identity)
        )
    )


async def test_answered_call_sends_a_real_livekits_events() -> None:
    expected = RECORDED["answered_call"]
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=200, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await make_room(lk, "room", recording_enabled=False)
            await asyncio.sleep(0.05)
            await lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)
        await asyncio.to_thread(box.wait_until_idle)
    bodies = [json.loads(post.body) for post in receiver.posts if post.path == "/events"]

    assert [list(each) for each in receiver.of_room("room")] == expected["events"]
    assert left_of(receiver) == expected["left"]
    for body in bodies:
        for part, keys in expected["bodies"][body["event"]].items():
            present = sorted(body[part]) if keys else None
            # The counts are missing while they are zero.
            optional = {"numParticipants", "numPublishers", "name"}
            assert keys is None or set(present or ()) - optional == set(keys) - optional, body
    joined = [body for body in bodies if body["event"] == "participant_joined"]
    published = [body for body in bodies if body["event"] == "track_published"]
    assert [body["room"].get("numParticipants", 0) for body in joined] == [0, 0]
    assert joined[1]["participant"].get("name", "") == expected["name_of_callee"]
    assert [body["track"]["name"] for body in published] == [
        body["participant"]["identity"] for body in published
    ]


@pytest.mark.parametrize(
    "row", RECORDED["second_delete_room"], ids=lambda row: f"{row['gap_ms']} ms"
)
async def test_second_delete_room_revives_a_room_that_is_being_deleted(
    row: dict[str, Any],
) -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            for attempt in range(50):
                name = f"room-{attempt}"
                await lk.room.create_room(api.CreateRoomRequest(name=name))
                began = time.monotonic()
                found = await second_delete_finds_it(lk, name, after=row["gap_ms"] / 1000)
                # A busy machine may take longer than the gap that was asked for.
                if not row["revives"] or time.monotonic() - began < 0.08:
                    break
            rooms = await lk.room.list_rooms(api.ListRoomsRequest(names=[name]))

    assert (found, len(rooms.rooms)) == (row["revives"], int(row["revives"]))


async def second_delete_finds_it(lk: api.LiveKitAPI, name: str, *, after: float) -> bool:
    """Delete a room twice. Returns whether the second time there is one."""
    await lk.room.delete_room(api.DeleteRoomRequest(room=name))
    await asyncio.sleep(after)
    try:
        await lk.room.delete_room(api.DeleteRoomRequest(room=name))
    except api.ServerError as error:
        return error.status != 404
    return True


async def test_revived_room_has_a_new_sid_and_its_agent_again() -> None:
    revived = RECORDED["revived_room"]
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=20, webhook_url=f"{receiver.url}/events") as box,
    ):
        box.set_faults(double_delete_rate=1)
        async with livekit(box) as lk:
            first = await make_room(lk, "room", recording_enabled=False)
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
            (room,) = (await lk.room.list_rooms(api.ListRoomsRequest())).rooms
            agents = await asyncio.to_thread(agents_in_room, box)
        await asyncio.to_thread(box.wait_for, lambda: len(receiver.events()) >= 4)
        events = [(e.event, e.room.sid == first.sid) for e in receiver.events()]

    finished = events.index(("room_finished", True))
    assert [event for event, _ in events[finished : finished + 3]] == revived["events"]
    assert [is_old for _, is_old in events[finished : finished + 3]] == [True, True, False]
    assert {name: getattr(room, name) for name in ("empty_timeout", "max_participants")} == {
        name: revived[name] for name in ("empty_timeout", "max_participants")
    }
    assert (room.sid != first.sid, len(agents)) == (True, 1)


def agents_in_room(box: RunningSandbox) -> list[str]:
    """The agents in the only room, as soon as there is one."""

    def present() -> list[str]:
        return [each["identity"] for each in box.rooms()[0]["participants"]]

    found: list[str] = box.wait_for(present)
    return found


async def test_stale_room_can_be_deleted_only_after_it_was_created_again() -> None:
    with sandbox_server.start(speed=20) as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            request = invite(trunk, NUMBER, wait_until_answered=False)
            await lk.sip.create_sip_participant(request)
            await asyncio.to_thread(box.wait_for, lambda: is_ringing(box))
            (room,) = (await lk.room.list_rooms(api.ListRoomsRequest())).rooms
            box.crash("both", down_seconds=0.1, stale=True)
            await asyncio.to_thread(box.wait_for, lambda: not box.control("GET", "")["down"])
            stale = await lk.room.list_participants(api.ListParticipantsRequest(room="room"))
            with pytest.raises(api.ServerError) as error:
                await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
            again = await lk.room.create_room(api.CreateRoomRequest(name="room"))
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
            rooms = await lk.room.list_rooms(api.ListRoomsRequest())

    assert [p.attributes["sip.callStatus"] for p in stale.participants] == ["ringing"]
    assert answer_of(error.value) == RECORDED["stale_room"]["delete_room"]
    assert (again.sid, list(rooms.rooms)) == (room.sid, [])


def test_unmatched_caller_gets_a_real_livekits_phrase() -> None:
    with sandbox_server.start() as box:
        answer = box.call_inbound(to="+15550009999", caller="+12025550101").json()

    expected = RECORDED["inbound_unmatched"]
    assert answer == {
        "detail": expected["phrase"],
        "sip_status_code": expected["sip_status_code"],
    }


async def test_room_without_name_and_agents_is_made_with_a_nameless_dispatch() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            room = await lk.room.create_room(api.CreateRoomRequest(name=""))
            await lk.room.create_room(api.CreateRoomRequest(name="r"))
            dispatches = await lk.agent_dispatch.list_dispatch("r")

    assert room.sid.startswith("RM_")
    assert {"dispatches": [each.agent_name for each in dispatches]} == RECORDED[
        "room_without_agents"
    ]


async def test_participant_of_a_dead_sip_service_is_timed_out() -> None:
    expected = RECORDED["lost_participant"]
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=50, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            request = invite(trunk, NUMBER, wait_until_answered=False)
            await lk.sip.create_sip_participant(request)
            await asyncio.to_thread(box.wait_for, lambda: is_ringing(box))
            box.crash("sip", down_seconds=0)
            died_at = time.monotonic()
            await asyncio.to_thread(box.wait_for, any_event(receiver, "participant_left"))
            seconds = (time.monotonic() - died_at) * 50

    assert left_of(receiver) == {"reason": expected["reason"], "call_status": "ringing"}
    assert seconds == pytest.approx(expected["seconds"], rel=0.5)
