"""LiveKit's webhooks: signed, in order per room, attempted five times, dropped when too old
(docs/reference/protocols.md §3).
"""

import asyncio
import logging
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from sandbox.clock import Clock
from sandbox.config import Config
from sandbox.faults import Faults
from sandbox.http_posts import Poster, PostError
from sandbox.ids import new_livekit_id
from sandbox.livekit.access_tokens import body_hash, make_token
from sandbox.livekit.outage import Outage

log = logging.getLogger(__name__)

WEBHOOK_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0)  # retryablehttp's defaults, wall clock
MAX_EVENT_AGE_SECONDS = 30.0
MAX_QUEUED_WEBHOOKS = 200  # per key
REORDER_WITHIN_SECONDS = 0.5  # with the fault `webhook_reorder`


@dataclass
class Webhooks:
    """The queues of events by key, and the tasks that deliver them."""

    config: Config
    faults: Faults
    poster: Poster
    outage: Outage
    _queues: dict[str, deque[tuple[float, bytes, str]]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def send(self, event: str, *, key: str, **parts: Message | str) -> None:
        """Queue an event after those of the same `key` (the name of a room or the id of an
        egress).
        """
        if self.outage.server_is_down or self.config.webhook_url is None:
            return
        if event in self.config.webhook_exclude:
            return
        now = Clock.now()
        event_id = new_livekit_id("EV_")
        # int64 is a text in protobuf's JSON, hence `createdAt`.
        payload: dict[str, Any] = {"event": event, "id": event_id, "createdAt": str(int(now))}
        for name, part in parts.items():
            payload[name] = part if isinstance(part, str) else MessageToDict(part)
        body = orjson.dumps(payload)
        # A lost event is lost before it is queued; a duplicate has the same id and body.
        copies = self.faults.draw_webhook_copies()
        for _ in range(copies):
            self._enqueue(key, (now, body, event_id))

    def _enqueue(self, key: str, item: tuple[float, bytes, str]) -> None:
        if self.faults.rates.webhook_reorder:
            self._spawn(self._deliver_late(item))
            return
        # A queue exists as long as its task runs; without one, start both.
        queue = self._queues.get(key)
        if queue is None:
            self._queues[key] = deque([item])
            self._spawn(self._drain(key))
        elif len(queue) < MAX_QUEUED_WEBHOOKS:
            queue.append(item)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_late(self, item: tuple[float, bytes, str]) -> None:
        await asyncio.sleep(random.uniform(0, REORDER_WITHIN_SECONDS))  # noqa: S311  # not a secret
        await self._deliver(item[1], item[2])

    async def _drain(self, key: str) -> None:
        queue = self._queues[key]
        while queue:
            queued_at, body, event_id = queue.popleft()
            # Retries of one event can make the events behind it too old.
            if Clock.now() - queued_at <= MAX_EVENT_AGE_SECONDS:
                await self._deliver(body, event_id)
        # Unless the server has died meanwhile, and a queue of its successor has the key.
        if self._queues.get(key) is queue:
            del self._queues[key]

    async def _deliver(self, body: bytes, event_id: str) -> None:
        for pause in (*WEBHOOK_RETRY_SECONDS, None):
            status = await self._post(body)
            if status is not None and status < 500 and status != 429:
                return  # like LiveKit, do not retry an event that was answered with a 4xx
            if pause is None:
                log.info("webhook %s dropped after the last attempt", event_id)
                return
            await asyncio.sleep(pause)

    async def _post(self, body: bytes) -> int | None:
        """Return the status of the answer, or None without one."""
        assert self.config.webhook_url is not None
        claims = {"sha256": body_hash(body)}
        token = make_token(
            claims, key=self.config.api_key, secret=self.config.api_secret, seconds=300
        )
        headers = {
            "Content-Type": "application/webhook+json",
            "Authorization": token,
            "User-Agent": "LiveKit",
        }
        try:
            return (await self.poster.post(self.config.webhook_url, headers, body)).status
        except PostError:
            return None

    def lose_all(self) -> None:
        """Forget every event that is not delivered yet, as a server that dies does."""
        self._queues.clear()
        for task in self._tasks:
            task.cancel()

    async def wait_until_idle(self) -> None:
        """Wait until every queued event has been delivered or dropped."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
