"""The voice agent's reports to VoiceOps: POST /calls/{id}/report
(docs/reference/api-contract.md §6).
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.http_posts import Poster, PostError

log = logging.getLogger(__name__)

# All of them by the wall clock.
ALIVE_INTERVAL_SECONDS = 2.0
FLUSH_DELAY_SECONDS = 0.5
REPORT_RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0)
REPORT_TIMEOUT_SECONDS = 10.0
ENDED_CALL_BODY = (
    b'"Call has ended"'  # the detail of an answer (docs/reference/api-contract.md §12)
)


@dataclass
class Reporter:
    """Sends a job's events in order and in few POSTs. Their ids stay the same over retries.

    Without `url` nothing is sent. `call_over` is set when VoiceOps answers that the call has ended.
    """

    url: str | None
    token: str
    poster: Poster
    faults: Faults
    call_over: asyncio.Event = field(default_factory=asyncio.Event)
    _unreachable_until: float = 0.0
    _pending: list[dict[str, Any]] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False
    _alive: asyncio.TimerHandle | None = None
    _soon: asyncio.TimerHandle | None = None

    def start_alive(self) -> None:
        """Report `agent_alive` every ALIVE_INTERVAL_SECONDS from now on."""
        self._alive = asyncio.get_running_loop().call_later(
            ALIVE_INTERVAL_SECONDS, self._report_alive
        )

    def _report_alive(self) -> None:
        self.add("agent_alive", flush=True)
        self.start_alive()

    def add(self, event: str, /, *, flush: bool = False, **data: Any) -> None:
        """Add an event that happened now. Without `flush` it is sent with the next flushed one."""
        self._pending.append(
            {"id": secrets.token_hex(16), "type": event, "at": Clock.iso(), **data}
        )
        if flush:
            self.flush()

    def flush(self) -> None:
        """Send the pending events now."""
        self._acknowledged.clear()
        self._wake.set()

    def flush_soon(self) -> None:
        """Send the pending events in a moment, together with those that follow until then."""
        self._soon = asyncio.get_running_loop().call_later(FLUSH_DELAY_SECONDS, self.flush)

    async def wait_until_acknowledged(self, *, timeout: float) -> bool:
        """Wait until everything flushed so far is acknowledged or given up.

        Returns False when that takes longer than `timeout`.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._acknowledged.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Accept no more events. `run` returns once the last one is sent."""
        for timer in (self._alive, self._soon):
            if timer is not None:
                timer.cancel()
        self._closed = True
        self._wake.set()

    def cut_off(self, seconds: float) -> None:
        """Let no report arrive for seconds of the wall clock from now on."""
        self._unreachable_until = Clock.now() + seconds

    def die(self) -> None:
        """Accept no more events, and forget those that are not sent yet."""
        self._pending = []
        self.close()

    async def run(self) -> None:
        """Send what is flushed, until `close`."""
        while not (self._closed and not self._pending):
            await self._wake.wait()
            self._wake.clear()
            batch = self._pending
            self._pending = []
            if batch and not self.faults.draw_report_loss() and self.url:
                await self._send(self.url, orjson.dumps({"events": batch}))
            # Unless more was flushed while this batch was being sent.
            if not self._wake.is_set():
                self._acknowledged.set()

    async def _send(self, url: str, body: bytes) -> None:
        for pause in (*REPORT_RETRY_SECONDS, None):
            status = await self._post(url, body)
            if status is not None and status < 500 and status != 429:
                if status != 200:
                    log.warning("report to %s was answered with %s", url, status)
                return
            if pause is None:
                log.warning("report to %s dropped after the last attempt", url)
                return
            await asyncio.sleep(pause)

    async def _post(self, url: str, body: bytes) -> int | None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        if Clock.now() < self._unreachable_until:
            return None
        try:
            answer = await self.poster.post(url, headers, body, timeout=REPORT_TIMEOUT_SECONDS)
        except PostError:
            return None
        if ENDED_CALL_BODY in answer.body:
            self.call_over.set()
        return answer.status
