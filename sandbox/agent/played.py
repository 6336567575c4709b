"""Runs the voice agent that the sandbox plays, one per job."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from livekit.protocol import agent

from sandbox.agent.job import AgentJob, Fate
from sandbox.agent.reports import Reporter
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.http_posts import Poster
from sandbox.livekit.calls import Calls
from sandbox.livekit.rooms import Room, Rooms


@dataclass
class PlayedAgent:
    """`on_answer(room, agent_config)` lets the recorder start when a callee has answered."""

    clock: Clock
    rooms: Rooms
    calls: Calls
    poster: Poster
    faults: Faults
    on_answer: Callable[[Room, dict[str, Any]], None]
    jobs: set[AgentJob] = field(default_factory=set)

    async def run(self, job: agent.Job, room: Room) -> None:
        """Play one agent in one room, from the dispatch to its last report."""
        metadata = read_metadata(job.metadata)
        url = metadata.get("report_url")
        reporter = Reporter(
            url=str(url) if url else None,
            token=str(metadata.get("report_token", "")),
            poster=self.poster,
            faults=self.faults,
        )
        played = AgentJob(
            job, room, metadata, reporter, self.clock, self.rooms, self.calls, self.on_answer
        )
        played.join_lag = self.faults.rates.agent_lag_seconds
        self.jobs.add(played)
        try:
            await played.run()
        finally:
            self.jobs.discard(played)

    def befall_all(self, fate: Fate) -> None:
        """End every job in the same way."""
        for job in list(self.jobs):
            job.befall(fate)


def read_metadata(text: str) -> dict[str, Any]:
    """Return the metadata of a job; {} when it is not a JSON object, that is, not VoiceOps'."""
    try:
        metadata = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return metadata if isinstance(metadata, dict) else {}
