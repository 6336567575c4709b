"""livekit.AgentDispatchService: gives jobs to a registered worker, or else to the played agent
(docs/reference/protocols.md §5).
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from livekit.protocol import agent, agent_dispatch
from livekit.protocol.room import CreateRoomRequest

from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import Grants
from sandbox.livekit.rooms import Room, Rooms, check_metadata_size
from sandbox.livekit.twirp import TwirpError
from sandbox.livekit.workers import Workers

MAX_DISPATCH_ATTRIBUTES_LENGTH = 64 * 1024
CANCELS_AGAIN_AFTER_SECONDS = 0.02  # wall clock


@dataclass
class AgentDispatcher:
    """`play_agent(job, room)` runs the sandbox's own agent until its job is done."""

    config: Config
    clock: Clock
    rooms: Rooms
    workers: Workers
    play_agent: Callable[[agent.Job, Room], Coroutine[Any, Any, None]]
    agent_online: bool = True
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.agent_online = self.config.agent_online
        self.rooms.on_created.append(self._room_created)

    def _room_created(self, room: Room, request: CreateRoomRequest) -> None:
        # A room without agents of its own gets a dispatch without a name, which only workers
        # without a name take.
        if self.workers.serves("") or not request.agents:
            self.dispatch(room, "", "", {})
        for wanted in request.agents:
            self.dispatch(room, wanted.agent_name, wanted.metadata, dict(wanted.attributes))

    def dispatch(
        self, room: Room, agent_name: str, metadata: str, attributes: dict[str, str]
    ) -> agent_dispatch.AgentDispatch:
        """Dispatch an agent to the room. Without a worker for it, no job starts and none fails."""
        dispatch = agent_dispatch.AgentDispatch(
            id=new_livekit_id("AD_"),
            agent_name=agent_name,
            room=room.name,
            metadata=metadata,
            attributes=attributes,
        )
        dispatch.state.created_at = int(self.clock.now() * 1e9)
        room.dispatches[dispatch.id] = dispatch
        job = agent.Job(
            id=new_livekit_id("AJ_"),
            dispatch_id=dispatch.id,
            type=agent.JT_ROOM,
            room=room.info,
            metadata=metadata,
            agent_name=agent_name,
            attributes=attributes,
        )
        if self.workers.offer(job, dispatch, room):
            return dispatch
        if self.agent_online and agent_name == self.config.agent_name:
            dispatch.state.jobs.append(job)
            # The list holds a copy, which is the one whose state is shown.
            self._start_played_agent(dispatch.state.jobs[-1], room)
        return dispatch

    def _start_played_agent(self, job: agent.Job, room: Room) -> None:
        task = asyncio.get_running_loop().create_task(self.play_agent(job, room))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    # --- livekit.AgentDispatchService ---

    async def create(
        self, request: agent_dispatch.CreateAgentDispatchRequest, grants: Grants
    ) -> agent_dispatch.AgentDispatch:
        """Raises TwirpError when the request is invalid."""
        check_metadata_size(request.metadata)
        length = sum(len(name) + len(value) for name, value in request.attributes.items())
        if length > MAX_DISPATCH_ATTRIBUTES_LENGTH:
            raise TwirpError("invalid_argument", "attribute size exceeds limits")
        if not request.room:
            raise TwirpError("invalid_argument", "no room name")
        room = self.rooms.get_or_create_by_name(request.room)
        return self.dispatch(room, request.agent_name, request.metadata, dict(request.attributes))

    async def list(
        self, request: agent_dispatch.ListAgentDispatchRequest, grants: Grants
    ) -> agent_dispatch.ListAgentDispatchResponse:
        """Raises TwirpError when the room does not exist."""
        room = self.rooms.get_served(request.room)
        found = [d for d in room.dispatches.values() if request.dispatch_id in ("", d.id)]
        return agent_dispatch.ListAgentDispatchResponse(agent_dispatches=found)

    async def delete(
        self, request: agent_dispatch.DeleteAgentDispatchRequest, grants: Grants
    ) -> agent_dispatch.AgentDispatch:
        """Raises TwirpError when the room or the dispatch does not exist."""
        room = self.rooms.get_served(request.room)
        dispatch = room.dispatches.pop(request.dispatch_id, None)
        if dispatch is None:
            raise TwirpError("not_found", "dispatch ID not found")
        # A job belongs to a worker or to the played agent; `terminate` ignores the latter's.
        for job in dispatch.state.jobs:
            self.workers.terminate(job)
            if task := self._tasks.get(job.id):
                task.cancel()
                self._remove_agent(room, job)
        dispatch.state.deleted_at = int(self.clock.now() * 1e9)
        return dispatch

    def _remove_agent(self, room: Room, job: agent.Job) -> None:
        if job.state.participant_identity:
            self.rooms.remove(room, job.state.participant_identity)

    async def wait_until_idle(self) -> None:
        """Wait until no played agent is at work."""
        while self._tasks:
            await asyncio.wait(set(self._tasks.values()))

    async def close(self) -> None:
        """Kill every played agent, whatever it still has to report."""
        pending = set(self._tasks.values())
        # A job that is cancelled once, as when its dispatch is deleted, sends its last report.
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCELS_AGAIN_AFTER_SECONDS)
