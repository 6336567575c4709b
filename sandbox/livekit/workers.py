"""Real agent workers that register at /agent (docs/reference/protocols.md §5.1).

A worker's job cannot connect to the room because there is no WebRTC here. Instead its participant
joins when the worker reports the job as running, and leaves when the job or the worker ends. API
and webhooks show no difference.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from google.protobuf.message import DecodeError
from livekit.protocol import agent, agent_dispatch, models

from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import (
    TOKEN_LEEWAY_SECONDS,
    InvalidTokenError,
    make_token,
    verify_token,
)
from sandbox.livekit.room_facts import agent_attributes
from sandbox.livekit.rooms import Room, Rooms
from sandbox.livekit.twirp import TwirpError
from sandbox.livekit.versions import SERVER_VERSION

log = logging.getLogger(__name__)

OFFER_TIMEOUT_SECONDS = 7.5  # wall clock
CLOSE_TIMEOUT_SECONDS = 0.1  # wall clock, for a worker to answer that its connection closes
JOB_TOKEN_SECONDS = 6 * 3600


@dataclass(eq=False)
class Worker:
    """A registered worker. `offers` and `jobs` are by job id."""

    id: str
    socket: web.WebSocketResponse
    agent_name: str
    load: float = 0.0
    full: bool = False
    offers: "dict[str, asyncio.Future[agent.AvailabilityResponse]]" = field(default_factory=dict)
    jobs: dict[str, "AssignedJob"] = field(default_factory=dict)

    async def send(self, message: agent.ServerMessage) -> None:
        await self.socket.send_bytes(message.SerializeToString())


@dataclass(eq=False)
class AssignedJob:
    """A job that a worker has accepted, and the identity of its participant."""

    job: agent.Job
    room: Room
    identity: str


@dataclass
class Workers:
    """The registered workers by id."""

    config: Config
    clock: Clock
    rooms: Rooms
    connected: dict[str, Worker] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def serves(self, agent_name: str) -> bool:
        """Return whether a worker is registered for the agent's name."""
        return any(worker.agent_name == agent_name for worker in self.connected.values())

    def offer(self, job: agent.Job, dispatch: agent_dispatch.AgentDispatch, room: Room) -> bool:
        """Offer the job to the workers of its agent. Returns False when none is registered."""
        if not self.serves(job.agent_name):
            return False
        self._spawn(self._assign(job, dispatch, room))
        return True

    def terminate(self, job: agent.Job) -> None:
        """End the job if a worker runs it, and take its participant out of the room."""
        for worker in self.connected.values():
            if job.id in worker.jobs:
                message = agent.ServerMessage(termination=agent.JobTermination(job_id=job.id))
                self._spawn(worker.send(message))
                self._leave(worker, job.id, models.PARTICIPANT_REMOVED)

    async def _assign(
        self, job: agent.Job, dispatch: agent_dispatch.AgentDispatch, room: Room
    ) -> None:
        """Offer the job to one worker after the other, the least loaded first.

        As with LiveKit, the job is lost when no worker accepts it.
        """
        available = [
            worker
            for worker in self.connected.values()
            if worker.agent_name == job.agent_name and not worker.full
        ]
        for worker in sorted(available, key=lambda worker: worker.load):
            answer = await self._offer_to(worker, job)
            if answer is None or not answer.available:
                continue
            identity = answer.participant_identity or f"agent-{job.id}"
            job.state.worker_id = worker.id
            job.state.status = agent.JS_PENDING
            # Protobuf lists store copies, and the copy is what ListDispatch shows.
            dispatch.state.jobs.append(job)
            worker.jobs[job.id] = AssignedJob(dispatch.state.jobs[-1], room, identity)
            assignment = agent.JobAssignment(job=job, token=self._token(room.name, identity))
            await worker.send(agent.ServerMessage(assignment=assignment))
            return
        log.info("no worker available for %s", job.id)

    async def _offer_to(self, worker: Worker, job: agent.Job) -> agent.AvailabilityResponse | None:
        # `_handle_message` sets the answer when the worker's message arrives.
        answer: asyncio.Future[agent.AvailabilityResponse] = (
            asyncio.get_running_loop().create_future()
        )
        worker.offers[job.id] = answer
        try:
            await worker.send(agent.ServerMessage(availability=agent.AvailabilityRequest(job=job)))
            async with asyncio.timeout(OFFER_TIMEOUT_SECONDS):
                return await answer
        except (TimeoutError, ConnectionError):
            return None
        finally:
            worker.offers.pop(job.id, None)

    def _token(self, room: str, identity: str) -> str:
        video = {
            "roomJoin": True,
            "room": room,
            "agent": True,
            "canPublish": True,
            "canSubscribe": True,
        }
        claims = {"sub": identity, "kind": "agent", "video": video}
        return make_token(
            claims,
            key=self.config.api_key,
            secret=self.config.api_secret,
            seconds=JOB_TOKEN_SECONDS,
        )

    # --- the socket ---

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Handle GET /agent: serve a worker's WebSocket until it closes."""
        try:
            self._require_agent_grant(request)
        except InvalidTokenError as error:
            return web.Response(status=401, text=str(error))
        socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT_SECONDS)
        await socket.prepare(request)
        worker: Worker | None = None
        try:
            async for frame in socket:
                if frame.type is WSMsgType.BINARY:
                    worker = await self._handle_message(socket, worker, frame.data)
        finally:
            if worker is not None:
                self._disconnect(worker)
        return socket

    def _require_agent_grant(self, request: web.Request) -> None:
        """Raises InvalidTokenError when the token is invalid or grants no agent."""
        grants = verify_token(
            request.headers.get("Authorization"),
            key=self.config.api_key,
            secret=self.config.api_secret,
            leeway=self.clock.to_wall_seconds(TOKEN_LEEWAY_SECONDS),
        )
        if not grants.video.get("agent"):
            raise InvalidTokenError("permissions denied")

    async def _handle_message(
        self, socket: web.WebSocketResponse, worker: Worker | None, data: bytes
    ) -> Worker | None:
        message = agent.WorkerMessage()
        try:
            message.ParseFromString(data)
        except DecodeError:
            return worker
        if worker is None:
            is_registration = message.HasField("register")
            return await self._register(socket, message.register) if is_registration else None
        if message.HasField("ping"):
            pong = agent.WorkerPong(
                last_timestamp=message.ping.timestamp, timestamp=int(self.clock.now() * 1000)
            )
            await worker.send(agent.ServerMessage(pong=pong))
        elif message.HasField("update_worker"):
            worker.load = message.update_worker.load
            worker.full = message.update_worker.status == agent.WS_FULL
        elif message.HasField("availability"):
            offer = worker.offers.get(message.availability.job_id)
            if offer is not None and not offer.done():
                offer.set_result(message.availability)
        elif message.HasField("update_job"):
            self._update_job(worker, message.update_job)
        return worker

    async def _register(
        self, socket: web.WebSocketResponse, register: agent.RegisterWorkerRequest
    ) -> Worker:
        worker = Worker(new_livekit_id("AW_"), socket, register.agent_name)
        self.connected[worker.id] = worker
        info = models.ServerInfo(
            edition=models.ServerInfo.Edition.Standard, version=SERVER_VERSION, protocol=16
        )
        answer = agent.RegisterWorkerResponse(worker_id=worker.id, server_info=info)
        await worker.send(agent.ServerMessage(register=answer))
        return worker

    def _update_job(self, worker: Worker, update: agent.UpdateJobStatus) -> None:
        assigned = worker.jobs.get(update.job_id)
        if assigned is None:
            return
        state = assigned.job.state
        state.status = update.status
        state.error = update.error
        state.updated_at = int(self.clock.now() * 1e9)
        if update.status == agent.JS_RUNNING:
            self._join(assigned)
        elif update.status in (agent.JS_SUCCESS, agent.JS_FAILED):
            self._leave(worker, update.job_id, models.CLIENT_INITIATED)

    def _join(self, assigned: AssignedJob) -> None:
        assigned.job.state.participant_identity = assigned.identity
        info = models.ParticipantInfo(
            identity=assigned.identity,
            name=assigned.identity,
            kind=models.ParticipantInfo.Kind.AGENT,
            attributes=agent_attributes(assigned.job.agent_name),
        )
        if assigned.room.closed.done():
            return
        try:
            self.rooms.publish(assigned.room, self.rooms.join(assigned.room, info))
        except TwirpError as error:
            log.info("the agent could not join: %s", error)

    def _leave(self, worker: Worker, job_id: str, reason: models.DisconnectReason) -> None:
        assigned = worker.jobs.pop(job_id, None)
        if assigned is not None:
            self.rooms.leave(assigned.room, assigned.identity, reason)

    def _disconnect(self, worker: Worker) -> None:
        # The jobs of a lost worker fail; they are not assigned to another.
        del self.connected[worker.id]
        for job_id in list(worker.jobs):
            worker.jobs[job_id].job.state.status = agent.JS_FAILED
            self._leave(worker, job_id, models.CONNECTION_TIMEOUT)

    async def lose_connections(self) -> None:
        """Close every worker's socket, as a server that dies does; they register again."""
        sockets = [worker.socket for worker in self.connected.values()]
        # A worker that reads nothing must not be waited for.
        await asyncio.gather(*(socket.close(drain=False) for socket in sockets))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.lose_connections()
