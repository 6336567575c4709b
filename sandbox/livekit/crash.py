"""Crashes of LiveKit's processes, and of the agents (docs/reference/real-livekit.md §2.1, §2.2,
§2.5).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from sandbox.agent.job import Fate
from sandbox.agent.played import PlayedAgent
from sandbox.clock import Clock
from sandbox.listener import Listener
from sandbox.livekit.agent_dispatch import AgentDispatcher
from sandbox.livekit.calls import LOST_PARTICIPANT_SECONDS, Calls
from sandbox.livekit.http_api import LiveKitApi
from sandbox.livekit.outage import Outage
from sandbox.livekit.rooms import Rooms
from sandbox.livekit.webhooks import Webhooks
from sandbox.livekit.workers import Workers

# What `what` names, and which processes that are.
CRASHES = {
    "server": ("server",),
    "sip": ("sip",),
    "both": ("server", "sip"),
    "agents": ("agents",),
}
DEFAULT_DOWN_SECONDS = 5.0


@dataclass(frozen=True)
class Crash:
    """The body of POST crash. `down_seconds` are by the wall clock.

    With `refuse` the server's port is closed meanwhile, as on a host of its own; without it
    connections are accepted and reset, as by a load balancer before a server that is gone.
    """

    what: str
    down_seconds: float = DEFAULT_DOWN_SECONDS
    stale: bool = True
    refuse: bool = False


@dataclass
class Crashes:
    """Lets processes die at once, and starts them again later."""

    clock: Clock
    rooms: Rooms
    calls: Calls
    webhooks: Webhooks
    workers: Workers
    dispatcher: AgentDispatcher
    agents: PlayedAgent
    api: LiveKitApi
    outage: Outage
    listener: Listener
    _restarts: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _opening: "asyncio.Task[None] | None" = None

    async def cause(self, crash: Crash, *, spare: asyncio.BaseTransport | None = None) -> None:
        """Kill what the crash names; it comes back after its `down_seconds`.

        The connection to `spare` stays open: it is that of the order.
        """
        dying = CRASHES[crash.what]
        if "server" in dying:
            if crash.refuse:
                # First of all, so that no request finds the port open and nobody behind it.
                await self.listener.close_port(spare=spare)
            await self._kill_server(stale=crash.stale)
        if "sip" in dying:
            self._kill_sip(stale=crash.stale)
        if "agents" in dying:
            self.dispatcher.agent_online = False
            self.agents.befall_all(Fate.DIES)
        returns: dict[str, Callable[[], None]] = {
            "server": self._return_server,
            "sip": self._return_sip,
            "agents": self._return_agents,
        }
        # The SIP service first, so that its calls have ended when the server takes the others back.
        for name in sorted(dying, reverse=True):
            if name in self._restarts:
                self._restarts[name].cancel()
            self._restarts[name] = asyncio.get_running_loop().call_later(
                crash.down_seconds, returns[name]
            )

    async def _kill_server(self, *, stale: bool) -> None:
        self.outage.server_is_down = True
        self.webhooks.lose_all()
        self.api.drop_requests()
        self.rooms.forget_all(stale=stale)
        self.agents.befall_all(Fate.DISCONNECTED)
        await self.workers.lose_connections()

    def _kill_sip(self, *, stale: bool) -> None:
        self.outage.sip_is_down = True
        after = LOST_PARTICIPANT_SECONDS if stale else 0.0
        self.calls.lose_all(participant_leaves_after=None if self.outage.server_is_down else after)

    def _return_server(self) -> None:
        self.outage.server_is_down = False
        self.calls.rejoin_all()
        self._opening = asyncio.get_running_loop().create_task(self.listener.open_port())

    def _return_sip(self) -> None:
        self.outage.sip_is_down = False

    def _return_agents(self) -> None:
        self.dispatcher.agent_online = True


def parse_crash(body: Any) -> Crash:
    """Parse the body of POST crash. Raises ValueError with a sentence that names the problem."""
    if not isinstance(body, dict) or body.get("what") not in CRASHES:
        raise ValueError(f"what must be one of {', '.join(CRASHES)}")
    if unknown := set(body) - {each.name for each in fields(Crash)}:
        raise ValueError(f"unknown field {min(unknown)}")
    seconds = body.get("down_seconds", DEFAULT_DOWN_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise ValueError("down_seconds must be a number, 0 or greater")
    stale, refuse = body.get("stale", True), body.get("refuse", False)
    for name, value in (("stale", stale), ("refuse", refuse)):
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false")  # noqa: TRY004  # all are ValueErrors
    return Crash(body["what"], float(seconds), stale, refuse)
