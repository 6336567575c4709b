"""The real process against the sandbox: it registers, talks in text, reports, drains and crashes.

Every test has its own sandbox, worker and control plane; they listen on loopback.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
import uuid
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api
from livekit.protocol.sip import (
    CreateSIPOutboundTrunkRequest,
    CreateSIPParticipantRequest,
    SIPOutboundTrunkInfo,
)

from voice.rehearsal.script import DEMO_AGENT
from voice.settings import EXAMPLE_KEY, EXAMPLE_SECRET, REPOSITORY
from voice.worker.spool import read_header, spooled

# The callee answers, and stays until the maximum duration.
STAYING_CALLEE, TALKATIVE_CALLEE = "+12025550195", "+12025550100"
# It never hangs up by itself.
CHATTY_AGENT = {
    "first_message": "Hello there.",
    "llm": {"provider": "local", "otherwise": "I see."},
    "silence_timeout_seconds": 600,
}


class World:
    """A sandbox, a worker and a control plane, and calls between them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.spool = folder / "spool"
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.is_away = False
        self.report_url = ""
        self.worker: asyncio.subprocess.Process
        self.lk = api.LiveKitAPI(url, EXAMPLE_KEY, EXAMPLE_SECRET)
        self.trunk_id = ""

    async def report(self, request: web.Request) -> web.Response:
        if self.is_away:
            return web.Response(status=503)
        seen = self.events.setdefault(request.match_info["call"], [])
        known = {event["id"] for event in seen}
        seen += [event for event in (await request.json())["events"] if event["id"] not in known]
        return web.json_response({"detail": "Received"})

    async def start_worker(self) -> None:
        env = {
            **os.environ,
            "LIVEKIT_URL": self.url,
            "VOICE_SPOOL": str(self.spool),
            "VOICE_HEALTH_PORT": "0",
            "VOICE_MAX_LOAD": "0",
            "VOICE_IDLE_PROCESSES": "1",
        }
        self.worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voice", "start"),
            cwd=REPOSITORY,
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await self.wait_for_line("registered at ")

    async def wait_for_line(self, beginning: str) -> None:
        assert self.worker.stdout is not None
        async with asyncio.timeout(60):
            async for line in self.worker.stdout:
                if line.decode().startswith(beginning):
                    return
        raise AssertionError("The worker ended")

    async def call(self, to: str, agent: Any = None) -> str:
        """Dispatch an agent, dial, and return the call's id once it is answered."""
        call_id = str(uuid.uuid4())
        await self.dispatch(call_id, agent or json.loads(DEMO_AGENT.read_text()))
        await becomes_true(lambda: "agent_joined" in self.types(call_id))
        await self.lk.sip.create_sip_participant(
            CreateSIPParticipantRequest(
                sip_trunk_id=self.trunk_id,
                sip_call_to=to,
                room_name=f"vo-{call_id}",
                participant_identity="callee",
                wait_until_answered=True,
            )
        )
        return call_id

    async def dispatch(self, call_id: str, agent: Any) -> None:
        self.events[call_id] = []
        metadata = {
            "call_id": call_id,
            "report_url": f"{self.report_url}/{call_id}",
            "report_token": "token",
            "agent": agent,
            "variables": {"first_name": "Maria"},
        }
        dispatch = api.RoomAgentDispatch(agent_name="voiceops", metadata=json.dumps(metadata))
        await self.lk.room.create_room(
            api.CreateRoomRequest(name=f"vo-{call_id}", empty_timeout=60, agents=[dispatch])
        )

    def types(self, call_id: str) -> list[str]:
        return [event["type"] for event in self.events[call_id]]

    def texts(self, call_id: str) -> list[tuple[str, str]]:
        return [
            (event["role"], event["text"])
            for event in self.events[call_id]
            if event["type"] == "turn"
        ]

    def reason(self, call_id: str) -> str | None:
        ends = [event["reason"] for event in self.events[call_id] if event["type"] == "ended"]
        assert len(ends) <= 1
        return ends[0] if ends else None

    async def rooms(self) -> set[str]:
        listed = await self.lk.room.list_rooms(api.ListRoomsRequest())
        return {room.name for room in listed.rooms}

    def job_pid(self, call_id: str) -> int:
        header = read_header(self.spool / f"{call_id}.jsonl")
        assert header is not None
        return header.pid


async def becomes_true(check: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait until it is true, and return how long that took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    # The trunk's request has a new name in the library, and the sandbox knows the old one.
    warnings.simplefilter("ignore", DeprecationWarning)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sandbox = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", "--no-agent", "--port", str(port)),
        *("--data-dir", str(tmp_path / "sandbox")),
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.PIPE,
    )
    assert sandbox.stderr is not None
    async with asyncio.timeout(60):
        assert (await sandbox.stderr.readline()).startswith(b"Sandbox:")
    made = World(tmp_path, f"http://127.0.0.1:{port}")
    application = web.Application()
    application.router.add_post("/{call}", made.report)
    server = TestServer(application)
    try:
        async with server:
            made.report_url = str(server.make_url("")).rstrip("/")
            await made.start_worker()
            trunk = SIPOutboundTrunkInfo(
                name="t", address="sip.example.com", numbers=["+12025550100"]
            )
            created = await made.lk.sip.create_sip_outbound_trunk(
                CreateSIPOutboundTrunkRequest(trunk=trunk)
            )
            made.trunk_id = created.sip_trunk_id
            yield made
    finally:
        await stop(made.worker)
        await stop(sandbox)
        await made.lk.aclose()


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask it to end twice, as an impatient operator does, then kill it."""
    for _ in range(2):
        if process.returncode is None:
            process.terminate()
            await asyncio.sleep(0.3)
    try:
        async with asyncio.timeout(30):
            await process.wait()
    except TimeoutError:
        process.kill()


async def test_a_call_is_talked_through_reported_and_ended(world: World) -> None:
    call_id = await world.call(TALKATIVE_CALLEE)
    await becomes_true(lambda: world.reason(call_id) is not None)

    types = [kind for kind in world.types(call_id) if kind != "agent_alive"]
    assert types[:3] == ["agent_joined", "callee_joined", "callee_answered"]
    assert types[-2:] == ["usage", "ended"]
    assert world.texts(call_id)[0] == (
        "agent",
        "Hello Maria, this is the practice, about your appointment. Does it still suit you?",
    )
    assert len(world.texts(call_id)) >= 4
    assert world.reason(call_id) in ("agent_hangup", "callee_hangup")
    await becomes_true(lambda: list(spooled(world.spool)) == [])
    assert f"vo-{call_id}" not in await world.rooms()


async def test_a_killed_job_frees_its_callee_within_four_seconds(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: len(world.texts(call_id)) >= 3)

    os.kill(world.job_pid(call_id), signal.SIGKILL)
    seconds = await becomes_true(lambda: world.reason(call_id) is not None)

    assert world.reason(call_id) == "agent_crashed"
    assert seconds <= 4.0
    assert f"vo-{call_id}" not in await world.rooms()
    assert world.texts(call_id)[0] == ("agent", "Hello there.")
    await becomes_true(lambda: list(spooled(world.spool)) == [])


async def test_nothing_is_lost_while_the_control_plane_is_away(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: len(world.texts(call_id)) >= 1)
    world.is_away = True
    await asyncio.sleep(2.0)

    # The worker goes away, too, and what it could not deliver is delivered by the next.
    await stop(world.worker)
    assert world.reason(call_id) is None
    world.is_away = False
    await world.start_worker()
    await becomes_true(lambda: world.reason(call_id) is not None)

    assert world.reason(call_id) == "agent_stopped"
    texts = world.texts(call_id)
    assert texts[:3] == [
        ("agent", "Hello there."),
        ("callee", "Hello, who is this?"),
        ("agent", "I see."),
    ]
    assert texts[-1] == ("agent", "I am sorry, I have to end this call now. Goodbye.")
    assert len(texts) == len(set(enumerate(texts)))


async def test_a_worker_that_stops_lets_its_calls_end(world: World) -> None:
    first = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    second = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: bool(world.texts(first) and world.texts(second)))

    world.worker.terminate()
    await world.wait_for_line("Stopping: 2 calls under way")
    late = str(uuid.uuid4())
    await world.dispatch(late, CHATTY_AGENT)
    await world.lk.room.delete_room(api.DeleteRoomRequest(room=f"vo-{first}"))
    await becomes_true(lambda: world.reason(first) is not None)
    heard = len(world.types(second))
    await asyncio.sleep(2.5)

    assert world.types(late) == []
    assert world.reason(second) is None
    assert len(world.types(second)) > heard
    assert world.worker.returncode is None
    await world.lk.room.delete_room(api.DeleteRoomRequest(room=f"vo-{second}"))
    async with asyncio.timeout(30):
        assert await world.worker.wait() == 0
    assert world.reason(second) == "room_closed"
    assert list(spooled(world.spool)) == []


async def test_a_killed_server_ends_its_calls_and_is_started_again(world: World) -> None:
    call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT)
    await becomes_true(lambda: len(world.texts(call_id)) >= 1)

    os.killpg(os.getpgid(world.job_pid(call_id)), signal.SIGKILL)
    seconds = await becomes_true(lambda: world.reason(call_id) is not None)
    await world.wait_for_line("registered at ")

    assert seconds <= 4.0
    assert world.reason(call_id) == "agent_crashed"
    again = await world.call(TALKATIVE_CALLEE)
    await becomes_true(lambda: world.reason(again) is not None)
