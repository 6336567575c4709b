"""One session with LiveKit: the official client, set up so that its traps do no harm.

`docs/reference/protocols.md §9` describes the traps:

failover=False      the SDK would send a dial again, up to three times (trap 1)
one event loop      a session belongs to the loop that opened it (trap 10)
no `nbf`            a token that begins now, by a fast clock, would be refused (see tokens.py)

The SDK's own timeout does not apply (trap 2), so every request is bound in time where it is made.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings

from telephony.clients.livekit.sdk import aiohttp, api
from telephony.clients.livekit.tokens import send_without_beginning

if TYPE_CHECKING:
    from livekit.api import LiveKitAPI

T = TypeVar("T")


@dataclass(frozen=True)
class LiveKit:
    """The official client over one HTTP session. Open it with `session()`."""

    http: "aiohttp.ClientSession"
    api: "LiveKitAPI"

    def with_token(self, token: str) -> "LiveKitAPI":
        """Return a client over the same connections that shows this token instead of our key."""
        return api.LiveKitAPI(settings.LIVEKIT_URL, token=token, session=self.http, failover=False)


@asynccontextmanager
async def session() -> AsyncIterator[LiveKit]:
    """Open a session in the running event loop, for as long as the block lasts."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0
        ),  # thousands of dials wait for their answers at once
        timeout=aiohttp.ClientTimeout(),
        middlewares=(send_without_beginning,),
    ) as http:
        client = api.LiveKitAPI(
            settings.LIVEKIT_URL,
            settings.LIVEKIT_API_KEY,
            settings.LIVEKIT_API_SECRET,
            session=http,
            failover=False,
        )
        yield LiveKit(http, client)


def run_in_session(work: Callable[[LiveKit], Awaitable[T]]) -> T:
    """Run `work` in a session and an event loop of its own, and return its result.

    For threads without a running event loop: requests, commands and the sweep.
    """

    async def run() -> T:
        async with session() as livekit:
            return await work(livekit)

    return asyncio.run(run())
