"""Real agent workers, registered at /agent."""

from livekit.protocol import agent

from .rooms import Room


class Workers:
    def offer(self, job: agent.Job, room: Room) -> bool:
        return False

    def terminate(self, job: agent.Job) -> None:
        return
