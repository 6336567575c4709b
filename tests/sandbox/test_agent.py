"""The voice agent that the sandbox plays, and LiveKit's events around it."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from livekit import api

from sandbox.agent.conversation import opening_of
from sandbox.agent.job import JOB_ENDS_AFTER_SECONDS
from tests import sandbox_server
from tests.sandbox.calling import invite, make_room, make_trunk, metadata
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import Receiver, run_receiver
from tests.sandbox_server import RunningSandbox


async def call(box: RunningSandbox, receiver: Receiver, number: str, **agent: Any) -> None:
    """Make a call as VoiceOps does, with a room, an agent and then the callee, until it is over."""
    async with livekit(box) as lk:
        trunk = await make_trunk(lk)
        await make_room(lk, "room", f"{receiver.url}/report/c1", **agent)
        await asyncio.to_thread(box.wait_for, lambda: receiver.reports("c1"))
        with suppress(api.ServerError):
            await lk.sip.create_sip_participant(invite(trunk, number), timeout=10)
    await asyncio.to_thread(box.wait_until_idle)


def types(reports: list[dict[str, Any]]) -> list[str]:
    return [r["type"] for r in reports if r["type"] != "agent_alive"]


async def test_answered_call_is_reported_from_start_to_end() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=200, webhook_url=f"{receiver.url}/events") as box,
    ):
        await call(box, receiver, "+12025550101")

    reports = receiver.reports("c1")
    assert types(reports) == [
        "agent_joined",
        "callee_joined",
        "callee_answered",
        "detected",
        *["turn"] * 6,
        "callee_left",
        "ended",
    ]
    assert [r.get("kind") for r in reports if r["type"] == "detected"] == ["human"]
    assert [r["reason"] for r in reports[-2:]] == ["callee_hangup", "callee_hangup"]
    assert len({r["id"] for r in reports}) == len(reports)
    assert all(r["at"].endswith("Z") for r in reports)
    report = next(p for p in receiver.posts if p.path == "/report/c1")
    assert (report.authorization, report.content_type) == ("Bearer token-of-c1", "application/json")


async def test_transcript_is_made_from_first_message_and_variables() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        await call(box, receiver, "+12025550101")

    turns = [r for r in receiver.reports("c1") if r["type"] == "turn"]
    assert [t["role"] for t in turns] == ["agent", "callee", "agent", "callee", "agent", "callee"]
    assert turns[0]["text"] == "Hello Ann, this is about Tuesday."
    assert "name: Ann; day: Tuesday" in turns[2]["text"]
    assert sorted(turns[0]) == ["at", "id", "interrupted", "role", "started_at", "text", "type"]


async def test_events_are_ordered_signed_and_complete() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=200, webhook_url=f"{receiver.url}/events") as box,
    ):
        await call(box, receiver, "+12025550101", recording_enabled=False)

    assert receiver.of_room("room") == [
        ("room_started", ""),
        ("room_started", ""),
        ("participant_joined", "agent"),
        ("track_published", "agent"),
        ("participant_joined", "callee"),
        ("track_published", "callee"),
        ("track_unpublished", "callee"),
        ("participant_left", "callee"),
        ("participant_left", "agent"),
        ("room_finished", ""),
    ]
    joined = receiver.events()[4].participant
    assert (joined.kind, joined.attributes["sip.callStatus"]) == (
        api.ParticipantInfo.Kind.SIP,
        "dialing",
    )
    left = [
        e.participant.disconnect_reason for e in receiver.events() if e.event == "participant_left"
    ]
    assert left == [1, 1]  # CLIENT_INITIATED
    post = next(p for p in receiver.posts if p.path == "/events")
    assert (post.content_type, post.authorization.startswith("ey")) == (
        "application/webhook+json",
        True,
    )
    assert isinstance(json.loads(post.body)["createdAt"], str)


async def test_agent_reports_that_the_phone_rings() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=20) as box:
        await call(box, receiver, "+12025550160")

    ringing = [r for r in receiver.reports("c1") if r.get("callee_status")]
    assert [(r["type"], r["callee_status"]) for r in ringing] == [("agent_alive", "ringing")]


async def test_phone_that_does_not_ring_is_not_reported_as_ringing() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=20) as box:
        await call(box, receiver, "+12025550185")

    assert [r for r in receiver.reports("c1") if r.get("callee_status")] == []


async def test_agent_that_hangs_up_deletes_the_room() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(speed=200, webhook_url=f"{receiver.url}/events") as box,
    ):
        await call(box, receiver, "+12025550103")

    assert types(receiver.reports("c1"))[-2:] == ["turn", "ended"]
    assert receiver.reports("c1")[-1]["reason"] == "agent_hangup"
    callee = [e.participant for e in receiver.events() if e.event == "participant_left"][-1]
    assert (callee.identity, callee.disconnect_reason) == ("callee-1", 5)  # ROOM_DELETED


async def test_immediate_hang_up_still_leaves_four_turns() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        await call(box, receiver, "+12025550155")
        answered = box.calls()[0]

    assert types(receiver.reports("c1")).count("turn") >= 4
    assert receiver.reports("c1")[-1]["reason"] == "callee_hangup"
    assert 0 < answered["ended_at"] - answered["answered_at"] < 0.5


@pytest.mark.parametrize(
    ("digits", "reason"),
    [
        ("60", "user_unavailable"),
        ("70", "user_rejected"),
        ("85", "user_unavailable"),
        ("90", "client_initiated"),
    ],
)
async def test_unanswered_call_is_reported_with_livekits_reason(digits: str, reason: str) -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        await call(box, receiver, f"+120255501{digits}")

    assert types(receiver.reports("c1")) == [
        "agent_joined",
        "callee_joined",
        "callee_left",
        "ended",
    ]
    assert [r["reason"] for r in receiver.reports("c1")[-2:]] == [reason, reason]


async def test_agent_hangs_up_on_a_machine() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        await call(box, receiver, "+12025550175")

    reports = receiver.reports("c1")
    talk = ["turn"] * 4
    assert types(reports) == [
        "agent_joined",
        "callee_joined",
        "callee_answered",
        *talk,
        "detected",
        "ended",
    ]
    assert (reports[-2]["kind"], reports[-1]["reason"]) == ("machine", "agent_hangup")
    assert [(r["text"], r["interrupted"]) for r in reports if r.get("role") == "agent"] == [
        ("Hello Ann, this is about Tuesday.", True)
    ]


async def test_agent_leaves_a_message_on_a_machine() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        await call(
            box,
            receiver,
            "+12025550175",
            voicemail={"action": "leave_message", "message": "Call us, {{name}}."},
        )

    turns = [(r["role"], r["text"]) for r in receiver.reports("c1") if r["type"] == "turn"]
    assert turns[-1] == ("agent", "Call us, Ann.")
    assert receiver.reports("c1")[-1]["reason"] == "agent_hangup"


async def test_agent_can_continue_talking_to_a_machine() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        await call(box, receiver, "+12025550175", voicemail={"action": "continue"})

    assert types(receiver.reports("c1")).count("turn") == 10
    assert receiver.reports("c1")[-1]["reason"] == "callee_hangup"


async def test_machine_is_reported_before_the_agent_hangs_up() -> None:
    """The agent waits until VoiceOps, which fails twice here, has acknowledged the machine."""
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        receiver.statuses = [200, 200, 200, 503, 503]
        await call(box, receiver, "+12025550175")

    ids = [json.loads(p.body)["events"][0]["id"] for p in receiver.posts if p.path == "/report/c1"]
    assert len(ids) - len(set(ids)) == 2  # repeated with the same id
    assert types(receiver.reports("c1"))[-1] == "ended"


async def test_call_reaches_the_maximum_duration() -> None:
    with run_receiver() as receiver, sandbox_server.start(speed=1000) as box:
        await call(box, receiver, "+12025550195")
        (made,) = box.calls()

    # LiveKit's clock began with the dial, so the agent sees what looks like a hang-up.
    assert [r["reason"] for r in receiver.reports("c1")[-2:]] == ["callee_hangup", "callee_hangup"]
    assert (made["ended_at"] - made["at"]) * 1000 == pytest.approx(600, rel=0.2)


async def test_agent_reports_that_it_is_alive_until_its_room_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sandbox.agent.reports.ALIVE_INTERVAL_SECONDS", 0.1)

    def types() -> list[str]:
        return [report["type"] for report in receiver.reports("c1")]

    with run_receiver() as receiver, sandbox_server.start(speed=100) as box:
        async with livekit(box) as lk:
            await make_room(lk, "room", f"{receiver.url}/report/c1")
            await asyncio.to_thread(box.wait_for, lambda: types().count("agent_alive") >= 2)
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
        await asyncio.to_thread(box.wait_until_idle)

    assert types() == ["agent_joined", *["agent_alive"] * types().count("agent_alive"), "ended"]
    assert receiver.reports("c1")[-1]["reason"] == "room_closed"


async def test_dispatch_without_a_worker_succeeds_and_starts_no_job() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            made = await lk.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name="other", room="r")
            )
            box.set_agent(online=False)
            await lk.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name="voiceops", room="r")
            )
            await asyncio.sleep(0.1)
            found = await lk.agent_dispatch.list_dispatch("r")
            here = await lk.room.list_participants(api.ListParticipantsRequest(room="r"))

    assert made.id.startswith("AD_")
    assert [(d.agent_name, len(d.state.jobs)) for d in found] == [
        ("", 0),
        ("other", 0),
        ("voiceops", 0),
    ]
    assert list(here.participants) == []


async def test_each_dispatch_adds_an_agent_and_its_deletion_removes_it() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            request = api.CreateAgentDispatchRequest(
                agent_name="voiceops", room="r", metadata=metadata("")
            )
            first = await lk.agent_dispatch.create_dispatch(request)
            await lk.agent_dispatch.create_dispatch(request)
            await asyncio.to_thread(box.wait_for, lambda: len(box.rooms()[0]["participants"]) == 2)
            fetched = await lk.agent_dispatch.get_dispatch(first.id, "r")
            await lk.agent_dispatch.delete_dispatch(first.id, "r")
            left = await lk.room.list_participants(api.ListParticipantsRequest(room="r"))
            with pytest.raises(api.ServerError) as error:
                await lk.agent_dispatch.delete_dispatch(first.id, "r")

    assert fetched is not None
    assert fetched.state.jobs[0].state.participant_identity == f"agent-{fetched.state.jobs[0].id}"
    assert len(left.participants) == 1
    assert (error.value.status, error.value.message) == (404, "dispatch ID not found")


async def test_agent_reports_the_analysis_it_is_asked_for() -> None:
    schemas = [
        {"name": "day", "type": "string"},
        {"name": "agreed", "type": "boolean"},
        {"name": "m", "enum": ["good"]},
    ]
    with run_receiver() as receiver, sandbox_server.start(speed=20) as box:
        await call(box, receiver, "+12025550175", analysis={"summary": True, "fields": schemas})

    (found,) = [r for r in receiver.reports("c1") if r["type"] == "analysis"]
    assert found["summary"] == '4 turns; the callee last said "(tone)"'
    assert found["fields"] == {"day": "Tuesday", "agreed": True, "m": "good"}
    assert types(receiver.reports("c1"))[-2:] == ["ended", "analysis"]


def test_a_name_without_a_value_is_spoken_as_it_was_written() -> None:
    agent = {"first_message": "Hello {{ first_nam }}, at {{at}}: {{items}}{{empty}}."}
    variables = {"first_name": "Ada", "at": "nine", "items": [1], "empty": None}

    assert opening_of(agent, variables) == "Hello {{ first_nam }}, at nine: [1]."


async def test_agent_reports_what_its_models_would_have_used() -> None:
    models = {
        "llm": {"provider": "openai", "model": "gpt-4.1-mini"},
        "tts": {"provider": "cartesia"},
    }
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        await call(box, receiver, "+12025550101", **models)

    reports = receiver.reports("c1")
    spoken = [r["text"] for r in reports if r["type"] == "turn" and r["role"] == "agent"]
    [usage] = [r for r in reports if r["type"] == "usage"]
    assert types(reports)[-2:] == ["usage", "ended"]
    assert [(item["kind"], item["provider"], item["model"]) for item in usage["items"]] == [
        ("llm", "openai", "gpt-4.1-mini"),
        ("tts", "cartesia", ""),
    ]
    assert usage["items"][1]["characters"] == sum(map(len, spoken))
    assert usage["items"][0]["input_tokens"] > usage["items"][0]["output_tokens"] > 0


async def test_sandbox_stops_at_once_while_an_agent_repeats_a_report() -> None:
    with run_receiver() as receiver:
        nowhere = f"{receiver.url}/report/c1"  # once the receiver is gone

    with sandbox_server.start(speed=200) as box:
        async with livekit(box) as lk:
            await make_room(lk, "room", nowhere)
        await asyncio.to_thread(box.wait_for, lambda: box.rooms()[0]["participants"])
        began = time.monotonic()

    assert time.monotonic() - began < JOB_ENDS_AFTER_SECONDS / 2
