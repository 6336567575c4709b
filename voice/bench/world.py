"""The real worker against the sandbox, in processes that listen on loopback: for figures, and for
tests.
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
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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
# Of a worker, or of a sandbox, on a machine that has other things to do.
WORLD_START_SECONDS = 120.0
# It never hangs up by itself.
CHATTY_AGENT = {
    "first_message": "Hello there.",
    "llm": {"provider": "local", "otherwise": "I see."},
    "silence_timeout_seconds": 600,
}


class Worker:
    """`python -m voice start`. `lines` are what it has written so far."""

    def __init__(self, url: str, spool: Path, **variables: str) -> None:
        self.spool = spool
        self.lines: list[str] = []
        self.registered_seconds = 0.0
        self.process: asyncio.subprocess.Process | None = None
        self._env = {
            **os.environ,
            "LIVEKIT_URL": url,
            "VOICE_SPOOL": str(spool),
            # Nobody: it is not to report to what else runs on this machine.
            "PUBLIC_URL": "http://127.0.0.1:9",
            "VOICE_HEALTH_PORT": "0",
            "VOICE_MAX_LOAD": "0",
            "VOICE_IDLE_PROCESSES": "1",
            **variables,
        }

    async def start(self) -> None:
        """Start it, and return when LiveKit may send it calls."""
        began = time.monotonic()
        self.lines.clear()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voice", "start"),
            cwd=REPOSITORY,
            env=self._env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # `kill_all` must not reach the tests.
            process_group=0,
        )
        await self.wait_for_line("registered at ")
        self.registered_seconds = time.monotonic() - began

    async def wait_for_line(self, beginning: str) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(WORLD_START_SECONDS):
            async for line in self.process.stdout:
                self.lines.append(line.decode().rstrip())
                if self.lines[-1].startswith(beginning):
                    return
        raise AssertionError("The worker ended")

    async def stop(self) -> None:
        if self.process is not None:
            await stop(self.process)

    async def kill_all(self) -> None:
        """Kill supervisor, server and the processes of calls, as a machine that dies does."""
        assert self.process is not None
        jobs = [read_header(path) for path in spooled(self.spool)]
        groups = {os.getpgid(job.pid) for job in jobs if job is not None}
        for group in {os.getpgid(self.process.pid), *groups}:
            os.killpg(group, signal.SIGKILL)
        await self.process.wait()


class World:
    """A sandbox, a worker and a control plane, and calls between them."""

    def __init__(self, folder: Path, url: str, **variables: str) -> None:
        self.url = url
        self.spool = folder / "spool"
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.is_away = False
        self.report_url = ""
        self.worker = Worker(url, self.spool, **variables)
        self.lk = api.LiveKitAPI(url, EXAMPLE_KEY, EXAMPLE_SECRET)
        self.trunk_id = ""

    async def report(self, request: web.Request) -> web.Response:
        if self.is_away:
            return web.Response(status=503)
        seen = self.events.setdefault(request.match_info["call"], [])
        known = {event["id"] for event in seen}
        seen += [event for event in (await request.json())["events"] if event["id"] not in known]
        return web.json_response({"detail": "Received"})

    async def call(self, to: str, agent: Any = None, *, is_reported: bool = True) -> str:
        """Dispatch an agent, dial, and return the call's id once it is answered."""
        call_id = str(uuid.uuid4())
        await self.dispatch(call_id, agent or json.loads(DEMO_AGENT.read_text()))
        if is_reported:
            await becomes_true(lambda: "agent_joined" in self.types(call_id))
        else:
            await becomes_true((self.spool / f"{call_id}.jsonl").exists)
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

    async def participants(self, call_id: str) -> set[str]:
        request = api.ListParticipantsRequest(room=f"vo-{call_id}")
        listed = await self.lk.room.list_participants(request)
        return {participant.identity for participant in listed.participants}

    async def remove(self, call_id: str, identity: str) -> None:
        """Let a participant hang up."""
        request = api.RoomParticipantIdentity(room=f"vo-{call_id}", identity=identity)
        await self.lk.room.remove_participant(request)

    async def delete_room(self, call_id: str) -> None:
        await self.lk.room.delete_room(api.DeleteRoomRequest(room=f"vo-{call_id}"))

    def job_pid(self, call_id: str) -> int:
        header = read_header(self.spool / f"{call_id}.jsonl")
        assert header is not None
        return header.pid


async def becomes_true(check: Callable[[], bool], seconds: float = 40.0) -> float:
    """Wait until it is true, and return how long that took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def start_sandbox(folder: Path, *arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    """Start a sandbox that plays no agent, and return its process and address."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", "--no-agent", "--port", str(port)),
        *("--data-dir", str(folder / "sandbox"), *arguments),
        cwd=REPOSITORY,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(WORLD_START_SECONDS):
        assert (await process.stderr.readline()).startswith(b"Sandbox:")
    return process, f"http://127.0.0.1:{port}"


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@asynccontextmanager
async def running_world(folder: Path, **variables: str) -> AsyncIterator[World]:
    """Run a sandbox, a control plane that only takes reports, and the worker."""
    sandbox, url = await start_sandbox(folder)
    try:
        async with serving(World(folder, url, **variables)) as made:
            made.trunk_id = await create_trunk(made.lk)
            yield made
    finally:
        await stop(sandbox)


@asynccontextmanager
async def serving(made: World) -> AsyncIterator[World]:
    """Run a control plane that only takes reports, and the worker, at a world's LiveKit."""
    # The trunk's request has a new name in the library, and the sandbox knows the old one.
    warnings.simplefilter("ignore", DeprecationWarning)
    application = web.Application()
    application.router.add_post("/{call}", made.report)
    try:
        async with TestServer(application) as server:
            made.report_url = str(server.make_url("")).rstrip("/")
            await made.worker.start()
            yield made
    finally:
        await made.worker.stop()
        await made.lk.aclose()


async def create_trunk(server: api.LiveKitAPI) -> str:
    """Register a number at LiveKit, and return its trunk."""
    trunk = SIPOutboundTrunkInfo(name="t", address="sip.example.com", numbers=["+12025550100"])
    created = await server.sip.create_sip_outbound_trunk(CreateSIPOutboundTrunkRequest(trunk=trunk))
    return created.sip_trunk_id


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
