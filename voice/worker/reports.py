"""Reports a call while it lasts: spooled first, sent beside the conversation, in order."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

import aiohttp

from voice.journal import Event, timestamp
from voice.worker.delivery import Delivery, Outcome, headers
from voice.worker.spool import Spool

log = logging.getLogger(__name__)

ALIVE_INTERVAL_SECONDS = 2.0
REPORT_TIMEOUT_SECONDS = 10.0
# Events that follow one another within this time travel together.
GATHER_SECONDS = 0.05


@dataclass
class Reporter:
    """`call_over` is set when the control plane says that the call has ended."""

    spool: Spool
    call_over: asyncio.Event = field(default_factory=asyncio.Event)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _is_alive: bool = True
    _sequence: int = 0
    _alive_at: float = field(default_factory=time.monotonic)
    _task: "asyncio.Task[None] | None" = None

    def add(self, event: Event) -> None:
        """Write an event to the spool, and have it sent."""
        self.spool.append(event)
        self._idle.clear()
        self._wake.set()

    def start(self) -> None:
        """Begin to send, and to report that the agent is alive."""
        if self.spool.header.report_url:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def flush(self, seconds: float) -> bool:
        """Wait until everything so far is stored. Returns whether it is."""
        if self._task is None or self._task.done():
            return self.spool.is_delivered
        self._wake.set()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, seconds: float) -> bool:
        """Send the rest, within the time. Returns whether everything was stored."""
        self._is_alive = False
        await self.flush(seconds)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        return self.spool.is_delivered

    async def _run(self) -> None:
        delivery = Delivery(self.spool)
        timeout = aiohttp.ClientTimeout(total=REPORT_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while not delivery.is_refused:
                await self._wait(delivery)
                await self._send(session, delivery)
        log.warning("The control plane knows the call %s no more", self.spool.header.call_id)
        self.call_over.set()
        self._idle.set()

    async def _wait(self, delivery: Delivery) -> None:
        """Wait for something to send, or for the next sign of life."""
        if delivery.pause_seconds:
            await asyncio.sleep(delivery.pause_seconds)
            return
        try:
            async with asyncio.timeout(ALIVE_INTERVAL_SECONDS):
                await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
        except TimeoutError:
            pass

    async def _send(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        self._wake.clear()
        body = delivery.next_body(*self._signs_of_life())
        if body is None:
            self._idle.set()
            return
        header = self.spool.header
        try:
            async with session.post(
                header.report_url, data=body, headers=headers(header.report_token)
            ) as response:
                outcome = delivery.handle(response.status, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError):
            outcome = delivery.handle(None)
        if delivery.call_is_over:
            self.call_over.set()
        if self.spool.is_delivered and outcome is Outcome.ACCEPTED:
            self._idle.set()
        else:
            self._wake.set()

    def _signs_of_life(self) -> list[Event]:
        """Return `agent_alive` when it is due. It is worth nothing later, so it is not spooled."""
        now = time.monotonic()
        # A little early, so that none falls out of step with the waiting.
        if not self._is_alive or now - self._alive_at < ALIVE_INTERVAL_SECONDS * 0.9:
            return []
        self._alive_at = now
        self._sequence += 1
        identifier = f"{self.spool.header.call_id}-alive-{self.spool.header.pid}-{self._sequence}"
        return [{"id": identifier, "type": "agent_alive", "at": timestamp()}]
