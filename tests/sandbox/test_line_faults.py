"""What goes wrong on real lines: silent carriers, slow INVITEs, agents that die, lag or are cut
off, rooms deleted twice, no egress service.
"""

import asyncio
import random
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from livekit import api

from sandbox.faults import Faults, Rates, draw_delay
from sandbox.phones.callee import Callee
from tests import sandbox_server
from tests.sandbox.calling import dial, invite, make_room, make_trunk
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import Receiver, run_receiver
from tests.sandbox_server import RunningSandbox

NUMBER = "+12025550101"


async def call_with_agent(box: RunningSandbox, receiver: Receiver, **behaviour: Any) -> None:
    """Call a number with this behaviour from a room with an agent, until everything has ended."""
    if behaviour:
        box.set_behaviours({NUMBER: behaviour})
    async with livekit(box) as lk:
        trunk = await make_trunk(lk)
        await make_room(lk, "room", f"{receiver.url}/report/c1", recording_enabled=False)
        await asyncio.to_thread(box.wait_for, lambda: box.rooms()[0]["participants"])
        await lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)
    await asyncio.to_thread(box.wait_for, lambda: box.calls()[0]["status"] == "ended")


def reported(receiver: Receiver) -> list[str]:
    return [report["type"] for report in receiver.reports("c1")]


async def test_silent_carrier_sends_no_provisional_response() -> None:
    with sandbox_server.start(speed=400) as box:
        box.set_faults(silent_rate=1)
        with pytest.raises(api.ServerError, match="sip request timed out"):
            await dial(box, NUMBER)
        (call,) = box.calls()

    assert (call["provisional"], call["sip_status_code"], call["status"]) == (None, None, "ended")


async def test_early_media_counts_as_ringing() -> None:
    with sandbox_server.start(speed=50) as box:
        box.set_faults(early_media_rate=1)
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, NUMBER, wait_until_answered=False))
            await asyncio.to_thread(box.wait_for, lambda: box.calls()[0]["status"] == "ringing")
        (call,) = box.calls()

    assert call["provisional"] == 183


async def test_behaviours_of_a_number_follow_one_another_call_by_call() -> None:
    outcomes = []
    with sandbox_server.start(speed=400) as box:
        box.set_behaviours({NUMBER: [{"silent": True}, {"sip_code": 486}, {"answer_after": 1}]})
        for room in ("one", "two", "three", "four"):
            try:
                await dial(box, NUMBER, room_name=room)
                outcomes.append("answered")
            except api.ServerError as error:
                outcomes.append(error.code)

    assert outcomes == ["canceled", "resource_exhausted", "answered", "answered"]


async def test_slow_invite_follows_the_request_late_and_is_not_sent_into_a_closed_room() -> None:
    with sandbox_server.start(speed=20) as box:
        box.set_behaviours({NUMBER: {"invite_after": 0.3, "rings": 1}})
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, NUMBER, wait_until_answered=False))
            at_once = box.dials()
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
            await lk.sip.create_sip_participant(
                invite(trunk, NUMBER, room_name="other"), timeout=10
            )
        dialled = [entry["room"] for entry in box.dials()]

    assert (at_once, dialled) == ([], ["other"])


def test_delays_of_slow_invites_are_as_measured() -> None:
    chance = random.Random(1)  # noqa: S311  # repeatable on purpose
    delays = sorted(draw_delay(chance) for _ in range(10_000))

    assert median(delays) == pytest.approx(0.057, rel=0.05)
    assert delays[8_800] < 0.159 < delays[9_200]
    assert delays[9_950] == delays[-1] == 1.4


def test_same_seed_hits_the_same_calls_whatever_else_is_on() -> None:
    few, many = Rates(seed=3, silent_rate=0.3), Rates(seed=3, silent_rate=0.3, agent_death_rate=0.5)
    hits = []
    for rates in (few, many):
        faults = Faults(rates)
        hits.append([faults.disturb(Callee()).silent for _ in range(50)])

    assert hits[0] == hits[1]
    assert 5 < sum(hits[0]) < 25


async def test_agent_that_dies_says_nothing_more_and_is_taken_out_later() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=50, webhook_url=f"{receiver.url}/events") as box,
    ):
        await call_with_agent(box, receiver, answer_after=1, talk=60, agent_dies=10)
        await asyncio.to_thread(box.wait_for, lambda: agent_left(receiver))

    assert reported(receiver)[-1] in ("callee_answered", "detected", "turn")
    assert agent_left(receiver) == ["CONNECTION_TIMEOUT"]


def agent_left(receiver: Receiver) -> list[str]:
    """The reasons of agents that left."""
    return [
        api.DisconnectReason.Name(event.participant.disconnect_reason)
        for event in receiver.events()
        if event.event == "participant_left" and event.participant.identity.startswith("agent")
    ]


async def test_agent_that_lags_may_miss_the_answer_altogether() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=50) as box:
        await call_with_agent(box, receiver, answer_after=20, talk=2, agent_lag=10)
        await asyncio.to_thread(box.wait_until_idle)

    assert reported(receiver) == [
        "agent_joined",
        "callee_joined",
        "agent_alive",
        "callee_left",
        "ended",
    ]
    assert receiver.reports("c1")[-2]["reason"] == "client_initiated"


async def test_agent_that_is_cut_off_reports_late() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=50) as box:
        await call_with_agent(box, receiver, answer_after=1, talk=10, agent_unreachable=0.6)
        (call,) = box.calls()
        during = reported(receiver)
        await asyncio.to_thread(box.wait_until_idle)

    assert "callee_answered" not in during
    answered = next(r for r in receiver.reports("c1") if r["type"] == "callee_answered")
    assert reported(receiver)[-1] == "ended"
    assert call["answered_at"] is not None
    assert answered["at"]


async def test_agent_leaves_when_it_is_told_that_the_call_has_ended() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=20) as box:
        receiver.body = b'{"detail": "Call has ended"}'
        async with livekit(box) as lk:
            await make_room(lk, "room", f"{receiver.url}/report/c1", recording_enabled=False)
            await asyncio.to_thread(box.wait_for, lambda: reported(receiver))
            await asyncio.to_thread(box.wait_for, lambda: not box.rooms())

    assert reported(receiver) == ["agent_joined"]


async def test_double_delete_of_one_number_revives_its_room() -> None:
    with sandbox_server.start(speed=20) as box:
        box.set_behaviours({NUMBER: {"answer_after": 1, "double_delete": True}})
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)
            (before,) = box.rooms()
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
            (after,) = box.rooms()

    assert before["room"]["sid"] != after["room"]["sid"]


@pytest.mark.parametrize("chosen", ["by number", "by rate"])
async def test_missing_egress_service_never_answers(chosen: str) -> None:
    with sandbox_server.start(speed=20) as box:
        behaviour = {"answer_after": 1, "talk": None, "egress_missing": chosen == "by number"}
        box.set_behaviours({NUMBER: behaviour})
        box.set_faults(egress_missing_rate=float(chosen == "by rate"))
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)
            request = api.RoomCompositeEgressRequest(
                room_name="room", file_outputs=[api.EncodedFileOutput(filepath="a.ogg")]
            )
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await lk.egress.start_room_composite_egress(request)
            recordings = await lk.egress.list_egress(api.ListEgressRequest())

    assert list(recordings.items) == []


async def test_without_an_egress_service_the_agent_records_nothing_either() -> None:
    with sandbox_server.start(speed=100) as box:
        box.set_behaviours({NUMBER: {"answer_after": 1, "talk": 5, "egress_missing": True}})
        async with livekit(box) as lk:
            trunk = await make_trunk(lk)
            await make_room(lk, "room")
            await asyncio.to_thread(box.wait_for, lambda: box.rooms()[0]["participants"])
            await lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)
            await asyncio.to_thread(box.wait_until_idle)
            recordings = await lk.egress.list_egress(api.ListEgressRequest())

    assert list(recordings.items) == []


async def test_timer_b_ends_a_silent_dial_with_a_long_ringing_timeout() -> None:
    with sandbox_server.start(speed=400) as box:
        box.set_behaviours({NUMBER: {"silent": True}})
        with pytest.raises(api.ServerError, match=r"0 intermediate responses"):
            await dial(box, NUMBER, ringing_timeout=timedelta(seconds=60))
        (call,) = box.calls()

    assert (call["ended_at"] - call["at"]) * 400 < 60
