"""Agent workers at /agent, which speak livekit-agents' protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import jwt
import pytest
from livekit import api
from livekit.protocol import agent

from sandbox import server
from sandbox.config import Config
from tests import sandbox_server
from tests.sandbox.clients import livekit
from tests.sandbox.receiver import run_receiver
from tests.sandbox_server import RunningSandbox


class Worker:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, message: agent.WorkerMessage) -> None:
        await self.socket.send_bytes(message.SerializeToString())

    async def receive(self) -> agent.ServerMessage:
        message = agent.ServerMessage()
        message.ParseFromString((await self.socket.receive(timeout=5)).data)
        return message

    async def report(self, job_id: str, status: agent.JobStatus) -> None:
        await self.send(
            agent.WorkerMessage(update_job=agent.UpdateJobStatus(job_id=job_id, status=status))
        )

    async def answer(self, *, available: bool) -> agent.Job:
        """Wait for the next offer, answer it, and return its job."""
        offered = (await self.receive()).availability.job
        response = agent.AvailabilityResponse(
            job_id=offered.id, available=available, participant_identity=f"agent-{offered.id}"
        )
        await self.send(agent.WorkerMessage(availability=response))
        return offered


@asynccontextmanager
async def worker(box: RunningSandbox, name: str) -> AsyncIterator[Worker]:
    token = (
        api.AccessToken(box.api_key, box.api_secret)
        .with_grants(api.VideoGrants(agent=True))
        .to_jwt()
    )
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{box.url}/agent", headers=headers) as socket,
    ):
        connected = Worker(socket)
        register = agent.RegisterWorkerRequest(type=agent.JT_ROOM, agent_name=name, version="1.8.9")
        await connected.send(agent.WorkerMessage(register=register))
        assert (await connected.receive()).register.worker_id.startswith("AW_")
        yield connected


async def test_job_goes_to_a_worker_before_the_sandboxs_own_agent() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(webhook_url=f"{receiver.url}/events") as box,
    ):
        async with livekit(box) as lk, worker(box, "voiceops") as mine:
            request = api.CreateAgentDispatchRequest(agent_name="voiceops", room="r", metadata="m")
            made = await lk.agent_dispatch.create_dispatch(request)
            offered = await mine.answer(available=True)
            assignment = (await mine.receive()).assignment
            await mine.report(offered.id, agent.JS_RUNNING)
            await asyncio.to_thread(box.wait_for, lambda: box.rooms()[0]["participants"])
            running = await lk.agent_dispatch.get_dispatch(made.id, "r")
            await mine.report(offered.id, agent.JS_SUCCESS)
            await asyncio.to_thread(box.wait_for, lambda: not box.rooms()[0]["participants"])
            done = await lk.agent_dispatch.get_dispatch(made.id, "r")
            await asyncio.to_thread(box.wait_for, lambda: len(receiver.posts) == 5)

    assert (offered.metadata, offered.room.name, offered.dispatch_id) == ("m", "r", made.id)
    claims = jwt.decode(assignment.token, box.api_secret, algorithms=["HS256"])
    assert (claims["sub"], claims["video"]["room"], claims["kind"]) == (
        f"agent-{offered.id}",
        "r",
        "agent",
    )
    assert running is not None
    assert done is not None
    assert [j.state.status for j in (running.state.jobs[0], done.state.jobs[0])] == [
        agent.JS_RUNNING,
        agent.JS_SUCCESS,
    ]
    assert receiver.of_room("r") == [
        ("room_started", ""),
        ("room_started", ""),
        ("participant_joined", "agent"),
        ("track_published", "agent"),
        ("participant_left", "agent"),
    ]


async def test_declined_job_goes_to_the_next_worker() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk, worker(box, "x") as one, worker(box, "x") as other:
            await lk.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name="x", room="r")
            )
            first = await one.answer(available=False)
            second = await other.answer(available=True)
            assigned = (await other.receive()).assignment.job.id

    assert first.id == second.id == assigned


async def test_deleting_the_dispatch_ends_the_job() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk, worker(box, "x") as mine:
            made = await lk.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name="x", room="r")
            )
            offered = await mine.answer(available=True)
            await mine.receive()
            await lk.agent_dispatch.delete_dispatch(made.id, "r")
            ended = (await mine.receive()).termination.job_id

    assert ended == offered.id


async def test_worker_without_a_name_is_offered_every_room() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk, worker(box, "") as mine:
            await lk.room.create_room(api.CreateRoomRequest(name="r"))
            offered = await mine.answer(available=True)

    assert (offered.room.name, offered.agent_name) == ("r", "")


async def test_lost_worker_leaves_its_rooms() -> None:
    with sandbox_server.start() as box:
        async with livekit(box) as lk:
            async with worker(box, "x") as mine:
                await lk.agent_dispatch.create_dispatch(
                    api.CreateAgentDispatchRequest(agent_name="x", room="r")
                )
                offered = await mine.answer(available=True)
                await mine.receive()
                await mine.report(offered.id, agent.JS_RUNNING)
                await asyncio.to_thread(box.wait_for, lambda: box.rooms()[0]["participants"])
            await asyncio.to_thread(box.wait_for, lambda: not box.rooms()[0]["participants"])
            nameless, found = await lk.agent_dispatch.list_dispatch("r")

    assert (nameless.agent_name, list(nameless.state.jobs)) == ("", [])
    assert found.state.jobs[0].state.status == agent.JS_FAILED


async def test_stop_does_not_wait_for_a_worker_that_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = await server.start(Config(data_dir=tmp_path, port=0))
    token = api.AccessToken(sandbox.config.api_key, sandbox.config.api_secret)
    headers = {"Authorization": f"Bearer {token.with_grants(api.VideoGrants(agent=True)).to_jwt()}"}
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{sandbox.url}/agent", headers=headers)
        register = agent.RegisterWorkerRequest(type=agent.JT_ROOM, agent_name="x")
        message = agent.WorkerMessage(register=register)
        await socket.send_bytes(message.SerializeToString())
        await socket.receive(timeout=5)
        busy = asyncio.Event()

        async def handle(*_: object) -> None:
            busy.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(sandbox.workers, "_handle_message", handle)
        await socket.send_bytes(b"")
        async with asyncio.timeout(5):
            await busy.wait()

        async with asyncio.timeout(8):  # a close waits ten seconds for an answer, if it may
            await sandbox.stop()

        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


async def test_worker_needs_the_agent_grant() -> None:
    with sandbox_server.start() as box:
        token = (
            api.AccessToken(box.api_key, box.api_secret)
            .with_grants(api.VideoGrants(room_list=True))
            .to_jwt()
        )
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await session.ws_connect(
                    f"{box.url}/agent", headers={"Authorization": f"Bearer {token}"}
                )

    assert error.value.status == 401
