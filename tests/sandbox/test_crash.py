"""Crashes of LiveKit's processes: what is lost, what comes back, and what nobody tells."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import requests
from livekit import api

from tests import sandbox_server
from tests.sandbox.calling import invite, make_room, make_trunk
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import Receiver, run_receiver
from tests.sandbox_server import RunningSandbox

NUMBER = "+12025550101"


async def start_call(box: RunningSandbox, lk: api.LiveKitAPI, *, report_url: str = "") -> None:
    """Dial from a room with an agent, and return when the phone rings."""
    trunk = await make_trunk(lk)
    await make_room(lk, "room", report_url, recording_enabled=False)
    await lk.sip.create_sip_participant(invite(trunk, NUMBER, wait_until_answered=False))
    await until_call_is(box, "ringing")


async def until_call_is(box: RunningSandbox, status: str) -> None:
    await asyncio.to_thread(box.wait_for, lambda: box.calls()[0]["status"] == status)


async def until_back(box: RunningSandbox) -> None:
    await asyncio.to_thread(box.wait_until_back)


def of_callee(receiver: Receiver) -> list[tuple[str, str, dict[str, str]]]:
    """The joins and departures of the callee: event, room, attributes that tell of an answer."""
    told = ("sip.callStatus", "sip.callTag")
    return [
        (
            event.event,
            event.room.sid,
            {name: event.participant.attributes.get(name, "") for name in told},
        )
        for event in receiver.events()
        if event.event in ("participant_joined", "participant_left")
        and event.participant.identity == "callee-1"
    ]


async def test_leg_joins_the_restarted_server_again_and_tells_the_answer_only_when_it_leaves() -> (
    None
):
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=20, webhook_url=f"{receiver.url}/events") as box,
    ):
        box.set_behaviours({NUMBER: {"answer_after": 6, "talk": 20}})
        async with livekit(box) as lk:
            await start_call(box, lk)
            await asyncio.to_thread(box.wait_for, lambda: of_callee(receiver))
            box.crash("server", down_seconds=0.4, stale=True)
            await until_call_is(box, "in_progress")
            await until_back(box)
            (seen,) = (
                p
                for p in (
                    await lk.room.list_participants(api.ListParticipantsRequest(room="room"))
                ).participants
                if p.identity == "callee-1"
            )
            await until_call_is(box, "ended")
        await asyncio.to_thread(box.wait_for, lambda: len(of_callee(receiver)) == 3)

    joined, again, left = of_callee(receiver)
    assert [each[0] for each in (joined, again, left)] == [
        "participant_joined",
        "participant_joined",
        "participant_left",
    ]
    assert joined[1] == again[1] == left[1]  # the same room
    assert seen.attributes["sip.callStatus"] == "dialing"
    assert [each[2]["sip.callStatus"] for each in (joined, again, left)] == [
        "dialing",
        "dialing",
        "hangup",
    ]


async def test_request_in_progress_loses_its_connection_and_the_phone_rings_on() -> None:
    with sandbox_server.start(speed=20) as box:
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            waiting = asyncio.create_task(
                lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)
            )
            await asyncio.to_thread(box.wait_for, lambda: box.calls())
            await until_call_is(box, "ringing")
            box.crash("server", down_seconds=0.2)
            with pytest.raises(aiohttp.ClientError):
                await waiting
            with pytest.raises(aiohttp.ClientError):
                await lk.room.list_rooms(api.ListRoomsRequest())
            await until_call_is(box, "in_progress")


async def test_dead_server_refuses_connections_and_answers_control_beside_it() -> None:
    with sandbox_server.start(speed=5) as box:
        control_url = box.control("GET", "")["control_url"]
        async with livekit(box) as lk:
            await start_call(box, lk)
        await asyncio.to_thread(box.crash, "server", down_seconds=1.0, refuse=True)
        # A new client, because a connection that the crash broke is not refused.
        async with livekit(box) as lk:
            with pytest.raises(aiohttp.ClientConnectorError):
                await lk.room.list_rooms(api.ListRoomsRequest())
            with pytest.raises(requests.ConnectionError):
                box.calls()
            (ringing,) = requests.get(f"{control_url}/calls", timeout=5).json()
            meanwhile = requests.get(control_url, timeout=5).json()["down"]
            await asyncio.to_thread(box.wait_for, lambda: is_open(box))
            rooms = await lk.room.list_rooms(api.ListRoomsRequest())

    assert (ringing["status"], meanwhile) == ("ringing", ["server"])
    assert [room.name for room in rooms.rooms] == ["room"]


def is_open(box: RunningSandbox) -> bool:
    try:
        return not box.control("GET", "")["down"]
    except requests.ConnectionError:
        return False


async def test_control_port_answers_nothing_but_control() -> None:
    with sandbox_server.start() as box:
        control_url = box.control("GET", "")["control_url"]
        twilio = requests.get(f"{control_url}/twilio", timeout=5)
        livekit_path = "/twirp/livekit.RoomService/ListRooms"
        other = requests.post(control_url.replace("/_sandbox", livekit_path), timeout=5)

    assert (twilio.status_code, other.status_code) == (200, 404)


async def test_agent_whose_server_dies_knows_no_reason() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=20) as box:
        async with livekit(box) as lk:
            await start_call(box, lk, report_url=f"{receiver.url}/report/c1")
            await asyncio.to_thread(
                box.wait_for, lambda: any(r.get("callee_status") for r in receiver.reports("c1"))
            )
            box.crash("server", down_seconds=0)
            await asyncio.to_thread(
                box.wait_for, lambda: receiver.reports("c1")[-1]["type"] == "ended"
            )

    assert [(r["type"], r.get("reason")) for r in receiver.reports("c1")[-2:]] == [
        ("callee_left", ""),
        ("ended", ""),
    ]


@pytest.mark.parametrize(("stale", "present"), [(True, ["callee-1"]), (False, [])])
async def test_rooms_of_a_dead_host_stay_in_the_store_if_it_is_stale(
    stale: bool, present: list[str]
) -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=50, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, NUMBER, wait_until_answered=False))
            await until_call_is(box, "ringing")
            await asyncio.to_thread(box.wait_for, lambda: of_callee(receiver))
            box.crash("both", down_seconds=0.1, stale=stale)
            await until_back(box)
            await asyncio.sleep(0.6)  # longer than LiveKit waits for a participant
            listed = await lk.room.list_participants(api.ListParticipantsRequest(room="room"))
        (call,) = box.calls()

    assert [p.identity for p in listed.participants] == present
    assert (call["status"], call["answered_at"]) == ("ended", None)
    assert [event for event, _, _ in of_callee(receiver)] == ["participant_joined"]


async def test_agents_that_die_come_back_for_new_jobs_only() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=50, webhook_url=f"{receiver.url}/events") as box,
    ):
        box.set_behaviours({NUMBER: {"answer_after": 10, "talk": None}})
        async with livekit(box) as lk:
            await start_call(box, lk, report_url=f"{receiver.url}/report/c1")
            await asyncio.to_thread(box.wait_for, lambda: receiver.reports("c1"))
            box.crash("agents", down_seconds=0.2)
            dead_since = datetime.now(UTC)
            down = box.control("GET", "")["down"]
            await until_back(box)
            await make_room(lk, "room-2", f"{receiver.url}/report/c2")
            await asyncio.to_thread(box.wait_for, lambda: receiver.reports("c2"))

    assert down == ["agents"]
    # What was made before may still have been on its way.
    made_at = [datetime.fromisoformat(report["at"]) for report in receiver.reports("c1")]
    assert max(made_at) <= dead_since


async def test_caller_of_a_dead_sip_service_gets_no_answer() -> None:
    with sandbox_server.start() as box:
        box.crash("sip")
        answer = box.call_inbound(to="+15550009999", caller=NUMBER)

    assert (answer.status_code, answer.json()) == (
        503,
        {"detail": "No answer", "sip_status_code": None},
    )


def test_page_of_the_sandbox_says_what_is_played() -> None:
    with sandbox_server.start(speed=20) as box:
        page = box.control("GET", "")
        again = requests.get(page["control_url"], timeout=5).json()

    assert again == page
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/_sandbox", page.pop("control_url"))
    assert page == {
        "livekit_version": "1.13.11",
        "sip_version": "1.11.0",
        "agents_version": "1.8.9",
        "speed": 20.0,
        "down": [],
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "what must be one of server, sip, both, agents"),
        ({"what": "all"}, "what must be one of server, sip, both, agents"),
        ({"what": "sip", "down_seconds": -1}, "down_seconds must be a number, 0 or greater"),
        ({"what": "sip", "stale": 1}, "stale must be true or false"),
        ({"what": "server", "refuse": "yes"}, "refuse must be true or false"),
        ({"what": "sip", "for": 1}, "unknown field for"),
    ],
)
def test_invalid_crash_is_refused_in_words(body: dict[str, Any], detail: str) -> None:
    with sandbox_server.start() as box:
        answer = requests.post(f"{box.url}/_sandbox/crash", json=body, timeout=5)

    assert (answer.status_code, answer.json()) == (400, {"detail": detail})
