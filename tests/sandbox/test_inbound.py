"""Inbound calls: the room they enter by LiveKit's rules, and what happens there."""

import asyncio
from typing import Any

import pytest
import requests
from livekit import api

from tests import sandbox_server
from tests.sandbox.calling import metadata
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import run_receiver
from tests.sandbox.test_recorded import RECORDED

OURS, CALLER = "+15551230000", "+12025550101"


def individual(**fields: Any) -> api.SIPDispatchRule:
    return api.SIPDispatchRule(
        dispatch_rule_individual=api.SIPDispatchRuleIndividual(**{"room_prefix": "in", **fields})
    )


def direct(room: str, pin: str = "") -> api.SIPDispatchRule:
    return api.SIPDispatchRule(
        dispatch_rule_direct=api.SIPDispatchRuleDirect(room_name=room, pin=pin)
    )


def callee(**fields: Any) -> api.SIPDispatchRule:
    return api.SIPDispatchRule(
        dispatch_rule_callee=api.SIPDispatchRuleCallee(**{"room_prefix": "to", **fields})
    )


async def entered(
    *rules: dict[str, Any], called: str = OURS, pin: str = "", **trunk: Any
) -> tuple[int, str, str]:
    """Make one call with these rules on one trunk. Returns HTTP status, room and identity.

    `trunk_ids` ["mine"] in a rule is that trunk.
    """
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            info = api.SIPInboundTrunkInfo(**{"numbers": [OURS], **trunk})
            made = await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
            for rule in rules:
                ids = {"mine": made.sip_trunk_id}
                fields = {
                    **rule,
                    "trunk_ids": [ids.get(name, name) for name in rule.get("trunk_ids", [])],
                }
                request = api.CreateSIPDispatchRuleRequest(
                    dispatch_rule=api.SIPDispatchRuleInfo(**fields)
                )
                await lk.sip.create_dispatch_rule(request)
        body = {"from": CALLER, "to": called, **({"pin": pin} if pin else {})}
        answer = await asyncio.to_thread(
            lambda: requests.post(f"{box.url}/_sandbox/inbound", json=body, timeout=5)
        )
    body = answer.json()
    return answer.status_code, body.get("room", body.get("detail")), body.get("identity", "")


@pytest.mark.parametrize(
    ("rule", "room"),
    [
        (direct("lobby"), "lobby"),
        (individual(no_randomness=True), f"in_{CALLER}"),
        (callee(), f"to_{OURS}"),
    ],
)
async def test_rule_names_the_room(rule: api.SIPDispatchRule, room: str) -> None:
    assert await entered({"rule": rule}) == (201, room, f"sip_{CALLER}")


async def test_randomized_rule_creates_a_new_room() -> None:
    _, room, _ = await entered({"rule": callee(randomize=True)})

    assert room.startswith(f"to_{OURS}_")
    assert len(room) == len(f"to_{OURS}_") + 12


async def test_hidden_number_is_hashed() -> None:
    status, _, identity = await entered({"rule": direct("lobby"), "hide_phone_number": True})

    assert (status, CALLER in identity, identity.startswith("sip_")) == (201, False, True)


async def test_rule_of_the_trunk_is_preferred_to_a_general_one() -> None:
    for_all, for_trunk = {"rule": direct("all")}, {"rule": direct("mine"), "trunk_ids": ["mine"]}

    assert (await entered(for_all, for_trunk))[1] == "mine"
    assert (await entered(for_all, {**for_trunk, "trunk_ids": ["ST_other"]}))[1] == "all"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"inbound_numbers": [CALLER]}, 201),
        ({"inbound_numbers": ["+19995550000"]}, 404),
        ({"numbers": [OURS]}, 201),
        ({"numbers": [OURS.removeprefix("+")]}, 404),  # compared verbatim here
    ],
)
async def test_rule_can_be_limited_to_numbers(fields: dict[str, Any], status: int) -> None:
    assert (await entered({"rule": direct("lobby"), **fields}))[0] == status


async def test_rule_with_a_pin_needs_the_pin() -> None:
    rule = {"rule": direct("lobby", pin="1234")}

    assert [(await entered(rule, pin=pin))[0] for pin in ("", "9", "1234")] == [404, 404, 201]


@pytest.mark.parametrize(
    ("trunk", "called", "status"),
    [
        ({"numbers": ["1 (555) 123-0000"]}, OURS, 201),  # trunks compare numbers, not spellings
        ({"numbers": [], "allowed_addresses": ["192.0.2.0/24"]}, "+15559999999", 201),
        ({"allowed_numbers": [CALLER]}, OURS, 201),
        ({"allowed_numbers": ["+19995550000"]}, OURS, 404),
        ({}, "+15559999999", 404),
    ],
)
async def test_trunk_accepts_matching_calls_only(
    trunk: dict[str, Any], called: str, status: int
) -> None:
    assert (await entered({"rule": direct("lobby")}, called=called, **trunk))[0] == status


async def participant(lk: api.LiveKitAPI, identity: str, room: str) -> Any:
    return await lk.room.get_participant(api.RoomParticipantIdentity(room=room, identity=identity))


async def make_inbound(lk: api.LiveKitAPI, *agents: api.RoomAgentDispatch) -> None:
    trunk = api.SIPInboundTrunkInfo(numbers=["+15551230000"])
    made = await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
    individual = api.SIPDispatchRule(
        dispatch_rule_individual=api.SIPDispatchRuleIndividual(room_prefix="in")
    )
    info = api.SIPDispatchRuleInfo(
        rule=individual,
        trunk_ids=[made.sip_trunk_id],
        attributes={"workspace": "w1"},
        room_config=api.RoomConfiguration(agents=list(agents)),
    )
    await lk.sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=info))


async def test_inbound_call_enters_its_own_room_and_talks_to_the_agent() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=100, webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk:
            agent = api.RoomAgentDispatch(
                agent_name="voiceops", metadata=metadata(f"{receiver.url}/report/c1")
            )
            await make_inbound(lk, agent)
            answer = await asyncio.to_thread(
                box.call_inbound, to="+15551230000", caller="+12025550101"
            )
            info = (await participant(lk, "sip_+12025550101", answer.json()["room"])).attributes
        await asyncio.to_thread(box.wait_until_idle)
        (call,) = box.calls()
        dials = box.dials()

    assert answer.status_code == 201
    assert call["room"].startswith("in_+12025550101_")
    assert (info["workspace"], info["sip.trunkPhoneNumber"], info["sip.phoneNumber"]) == (
        "w1",
        "+15551230000",
        "+12025550101",
    )
    assert info["sip.ruleID"].startswith("SDR_")
    assert (call["direction"], call["caller_id"], call["sip_status_code"]) == (
        "inbound",
        "+12025550101",
        200,
    )
    assert dials == []
    assert [r["type"] for r in receiver.reports("c1") if r["type"] != "turn"] == [
        "agent_joined",
        "callee_joined",
        "callee_answered",
        "detected",
        "callee_left",
        "ended",
    ]


async def test_call_without_a_number_is_accepted() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            await make_inbound(lk)
            answer = await asyncio.to_thread(box.call_inbound, to="+15551230000")
            info = await participant(lk, "sip_anonymous", answer.json()["room"])

    assert info.name == "Phone anonymous"


async def test_unmatched_call_is_404_and_leaves_no_trace() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(webhook_url=f"{receiver.url}/events") as box,
    ):
        no_trunk = await asyncio.to_thread(
            box.call_inbound, to="+15551230000", caller="+12025550101"
        )
        async with livekit(box) as lk:
            trunk = api.SIPInboundTrunkInfo(numbers=["+15551230000"])
            await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
        no_rule = await asyncio.to_thread(
            box.call_inbound, to="+15551230000", caller="+12025550101"
        )
        calls, rooms = box.calls(), box.rooms()

    assert (no_trunk.status_code, no_trunk.json()["detail"]) == (
        404,
        "Does not match Trunks or Dispatch Rules",
    )
    assert (no_rule.status_code, no_rule.json()["detail"]) == (
        404,
        "Does not match Trunks or Dispatch Rules",
    )
    assert (calls, rooms, receiver.posts) == ([], [], [])


async def test_ringing_caller_whose_room_is_deleted_is_rejected() -> None:
    with sandbox_server.start(speed=20, agent_online=False) as box:
        async with livekit(box) as lk:
            info = api.SIPInboundTrunkInfo(numbers=[OURS])
            await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
            rule = api.SIPDispatchRuleInfo(rule=direct("lobby"))
            await lk.sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=rule))
            await asyncio.to_thread(box.call_inbound, to=OURS, caller=CALLER)
            await lk.room.delete_room(api.DeleteRoomRequest(room="lobby"))
        await asyncio.to_thread(box.wait_for, lambda: box.calls()[0]["status"] == "ended")
        (call,) = box.calls()

    assert {"sip_status_code": call["sip_status_code"]} == RECORDED["inbound_room_deleted"]
