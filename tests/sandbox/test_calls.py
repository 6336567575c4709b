"""Calls as LiveKit shows them: rooms, participants, hanging up, transfers."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from livekit import api

from tests import sandbox_server
from tests.sandbox.calling import dial, invite, make_trunk, metadata
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import run_receiver
from tests.sandbox_server import RunningSandbox

TALKER = "+12025550101"


async def participant(lk: api.LiveKitAPI, identity: str = "callee-1", room: str = "room") -> Any:
    return await lk.room.get_participant(api.RoomParticipantIdentity(room=room, identity=identity))


async def status(lk: api.LiveKitAPI) -> str:
    return str((await participant(lk)).attributes["sip.callStatus"])


async def until(lk: api.LiveKitAPI, wanted: str) -> None:
    async with asyncio.timeout(5):
        while await status(lk) != wanted:
            await asyncio.sleep(0.01)


async def test_request_without_waiting_returns_before_the_phone_rings() -> None:
    with sandbox_server.start(speed=20) as box:
        box.set_behaviours({TALKER: {"trying": 20}})
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            made = await lk.sip.create_sip_participant(
                invite(trunk, TALKER, wait_until_answered=False), timeout=10
            )
            info = await participant(lk)
            seen = [info.attributes["sip.callStatus"]]
            for wanted in ("ringing", "active"):
                await until(lk, wanted)
                seen.append(wanted)

    assert (made.participant_identity, made.room_name, made.sip_call_id[:4]) == (
        "callee-1",
        "room",
        "SCL_",
    )
    assert seen == ["dialing", "ringing", "active"]
    assert info.kind == api.ParticipantInfo.Kind.SIP
    assert info.attributes["sip.callID"] == made.sip_call_id
    assert info.attributes["sip.phoneNumber"] == TALKER


async def test_digits_are_sent_before_the_call_is_active() -> None:
    with sandbox_server.start(speed=20) as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            request = invite(trunk, TALKER, wait_until_answered=False, dtmf="12ww#")
            await lk.sip.create_sip_participant(request, timeout=10)
            for wanted in ("automation", "active"):
                await until(lk, wanted)
            await lk.room.send_data(
                api.SendDataRequest(room="room", data=b"hold", topic="supervisor")
            )
        (call,), (room,) = box.calls(), box.rooms()

    assert call["dtmf"] == "12ww#"
    assert room["data"] == [{"topic": "supervisor", "data": "hold"}]


async def test_hidden_number_is_not_in_the_attributes_but_in_the_default_identity() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            request = invite(
                trunk,
                TALKER,
                hide_phone_number=True,
                participant_identity="",
                wait_until_answered=False,
            )
            await lk.sip.create_sip_participant(request, timeout=10)
            info = await participant(lk, identity=f"sip_{TALKER}")

    assert "sip.phoneNumber" not in info.attributes
    assert info.name == ""


async def test_dial_log_has_one_entry_per_invite() -> None:
    with sandbox_server.start(speed=500) as box:
        answer = await dial(box, TALKER)
        (entry,) = box.dials()
        (call,) = box.control("GET", "calls")

    assert sorted(entry) == ["at", "call_id", "caller_id", "identity", "number", "room", "trunk_id"]
    assert (entry["number"], entry["room"], entry["identity"]) == (TALKER, "room", "callee-1")
    assert (entry["caller_id"], entry["call_id"]) == ("+15550001111", answer.sip_call_id)
    assert sorted(call) == sorted([*entry, "status", "sip_status_code", "answered_at", "ended_at"])


@pytest.mark.parametrize(
    ("address", "numbers", "expected"),
    [
        ("sip.example.com", ["15550001111"], "15550001111"),
        ("x.pstn.twilio.com", ["15550001111"], "+15550001111"),
    ],
)
async def test_plus_is_added_to_the_caller_id_for_twilio_only(
    address: str, numbers: list[str], expected: str
) -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk, address=address, numbers=numbers)
            await lk.sip.create_sip_participant(
                invite(trunk, "2025550101", wait_until_answered=False), timeout=10
            )
        (entry,) = box.dials()

    assert (entry["caller_id"], entry["number"]) == (expected, "2025550101")


async def test_call_continues_when_the_client_disconnects() -> None:
    with sandbox_server.start(speed=20) as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await lk.sip.create_sip_participant(invite(trunk, TALKER), timeout=10)
            await until(lk, "active")
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
        await asyncio.to_thread(box.wait_until_idle)
        (call,) = box.calls()

    assert (call["status"], call["sip_status_code"]) == ("ended", 200)
    assert call["ended_at"] - call["answered_at"] < 0.5


async def test_deleting_the_room_while_ringing_looks_like_a_ringing_timeout() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=20, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            waiting = asyncio.create_task(
                lk.sip.create_sip_participant(invite(trunk, TALKER), timeout=10)
            )
            await asyncio.sleep(0.1)
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
            with pytest.raises(api.ServerError) as error:
                await waiting
            await asyncio.sleep(0.1)  # until the deletion is over
            with pytest.raises(api.ServerError) as gone:
                await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
        await asyncio.to_thread(box.wait_until_idle)
        (call,) = box.calls()

    assert (error.value.code, error.value.message) == (
        "canceled",
        "sip request timed out",
    )
    assert (gone.value.status, gone.value.message) == (
        404,
        "requested room does not exist",
    )
    assert call["answered_at"] is None
    assert [(e.event, e.participant.disconnect_reason) for e in receiver.events()[-2:]] == [
        ("participant_left", 5),  # ROOM_DELETED
        ("room_finished", 0),
    ]


async def test_removing_the_participant_ends_the_call() -> None:
    with sandbox_server.start(speed=20) as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, TALKER), timeout=10)
            identity = api.RoomParticipantIdentity(room="room", identity="callee-1")
            await lk.room.remove_participant(identity)
            with pytest.raises(api.ServerError) as error:
                await lk.room.remove_participant(identity)
        (call,) = box.calls()

    assert call["ended_at"] - call["answered_at"] < 0.5
    assert (error.value.status, error.value.code) == (404, "not_found")


async def test_duplicate_identity_ends_the_first_call() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=20, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, TALKER), timeout=10)
            await lk.sip.create_sip_participant(
                invite(trunk, TALKER, wait_until_answered=False), timeout=10
            )
            await asyncio.to_thread(box.wait_for, lambda: box.calls()[0]["status"] == "ended")
            second = box.calls()[1]["status"]
        await asyncio.to_thread(
            box.wait_for, lambda: any(e.event == "participant_left" for e in receiver.events())
        )

    left = next(e.participant for e in receiver.events() if e.event == "participant_left")
    assert left.disconnect_reason == 2  # DUPLICATE_IDENTITY
    assert second != "ended"


async def test_full_room_refuses_the_dial() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.room.create_room(api.CreateRoomRequest(name="room", max_participants=1))
            first = invite(trunk, TALKER, wait_until_answered=False)
            await lk.sip.create_sip_participant(first, timeout=10)
            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_sip_participant(
                    invite(trunk, TALKER, participant_identity="callee-2"), timeout=10
                )
        dials = box.dials()

    assert (error.value.code, error.value.status) == ("internal", 500)
    assert len(dials) == 1


async def test_metadata_may_have_512_kib() -> None:
    fits, too_long = "話" * 174_762, "話" * 174_763
    codes = []
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            await lk.room.create_room(api.CreateRoomRequest(name="room", metadata=fits))
            for request in (
                lk.room.create_room(api.CreateRoomRequest(name="a", metadata=too_long)),
                lk.room.create_room(
                    api.CreateRoomRequest(
                        name="b", agents=[api.RoomAgentDispatch(agent_name="x", metadata=too_long)]
                    )
                ),
                lk.agent_dispatch.create_dispatch(
                    api.CreateAgentDispatchRequest(agent_name="x", room="room", metadata=too_long)
                ),
            ):
                with pytest.raises(api.ServerError, match="metadata size exceeds limits") as error:
                    await request
                codes.append(error.value.status)
            rooms = await lk.room.list_rooms(api.ListRoomsRequest())

    assert codes == [400, 400, 400]
    assert [room.name for room in rooms.rooms] == ["room"]


async def test_creating_a_room_again_returns_the_existing_one() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            first = await lk.room.create_room(
                api.CreateRoomRequest(name="room", empty_timeout=60, metadata="m")
            )
            again = await lk.room.create_room(api.CreateRoomRequest(name="room", empty_timeout=9))
            listed = await lk.room.list_rooms(api.ListRoomsRequest(names=["room", "other"]))

    assert (first.sid, first.empty_timeout, first.departure_timeout) == (again.sid, 60, 20)
    assert [(r.name, r.metadata) for r in listed.rooms] == [("room", "m")]


async def test_room_closes_after_its_departure_timeout() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=500, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.room.create_room(api.CreateRoomRequest(name="room", departure_timeout=1))
            await lk.sip.create_sip_participant(invite(trunk, "+12025550155"), timeout=10)
            await asyncio.to_thread(box.wait_for, lambda: box.calls()[0]["status"] == "ended")
            still = len(box.rooms())
        await asyncio.to_thread(box.wait_until_idle)

    assert still == 1
    last = receiver.events()[-1]
    assert (last.event, last.room_end_reason) == ("room_finished", 2)  # ROOM_END_IDLE_TIMEOUT


async def test_agent_does_not_keep_an_empty_room_open() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            agent = api.RoomAgentDispatch(agent_name="voiceops", metadata=metadata(""))
            await lk.room.create_room(
                api.CreateRoomRequest(name="room", empty_timeout=1, agents=[agent])
            )
        await asyncio.to_thread(box.wait_until_idle)

    assert receiver.of_room("room") == [
        ("room_started", ""),
        ("room_started", ""),
        ("participant_joined", "agent"),
        ("track_published", "agent"),
        ("participant_left", "agent"),
        ("room_finished", ""),
    ]


async def test_maximum_duration_counts_from_the_dial() -> None:
    with sandbox_server.start(speed=100) as box:
        await dial(box, "+12025550195", max_call_duration=timedelta(seconds=20))
        box.wait_for(lambda: box.calls()[0]["status"] == "ended")
        (call,) = box.calls()

    assert (call["ended_at"] - call["at"]) * 100 == pytest.approx(20, abs=5)


async def transfer(box: RunningSandbox, to: str) -> Any:
    async with livekit(box) as lk:
        trunk = await make_trunk(lk)
        await lk.sip.create_sip_participant(invite(trunk, TALKER), timeout=10)
        request = api.TransferSIPParticipantRequest(
            room_name="room", participant_identity="callee-1", transfer_to=to
        )
        return await lk.sip.transfer_sip_participant(request)


async def test_transfer_ends_our_leg_when_the_new_callee_answers() -> None:
    with sandbox_server.start(speed=100) as box:
        answer = await transfer(box, "tel:+12025550102")
        box.wait_for(lambda: box.calls()[0]["status"] == "ended")

    assert answer.status == 2  # STS_TRANSFER_SUCCESSFUL


@pytest.mark.parametrize(
    ("to", "code", "reason", "sip_code"),
    [
        ("tel:+12025550170", "failed_precondition", "STR_REJECTED", 486),
        ("sip:+12025550160@example.com", "failed_precondition", "STR_RINGING_TIMEOUT", None),
    ],
)
async def test_failed_transfer_leaves_the_call_active(
    to: str, code: str, reason: str, sip_code: int | None
) -> None:
    with sandbox_server.start(speed=100) as box:
        box.set_behaviours({TALKER: {"talk": 5000}})
        with pytest.raises(api.SipCallError) as error:
            await transfer(box, to)
        (call,) = box.calls()

    assert (error.value.code, error.value.sip_transfer_reason, error.value.sip_status_code) == (
        code,
        reason,
        sip_code,
    )
    assert call["status"] == "in_progress"


async def test_transfer_needs_a_uri_and_an_answered_call() -> None:
    with sandbox_server.start(speed=20) as box:
        with pytest.raises(api.ServerError) as nowhere:
            await transfer(box, "+12025550102")
        box.set_behaviours({TALKER: {"answer_after": 40}})
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            ringing = invite(trunk, TALKER, room_name="r2", wait_until_answered=False)
            await lk.sip.create_sip_participant(ringing, timeout=10)
            early = api.TransferSIPParticipantRequest(
                room_name="r2", participant_identity="callee-1", transfer_to="tel:+1"
            )
            with pytest.raises(api.ServerError) as too_early:
                await lk.sip.transfer_sip_participant(early)

    assert (nowhere.value.status, nowhere.value.message) == (
        400,
        "transfer_to must be a valid SIP(s) or TEL URI (sip:, sips: or tel:)",
    )
    assert (too_early.value.status, too_early.value.message) == (408, "request timed out")
