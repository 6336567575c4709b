"""Time as a conversation feels it: the real one, or one that a rehearsal in text moves itself."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Return seconds since some moment."""

    async def sleep(self, seconds: float) -> None:
        """Let the seconds pass."""


class RealClock:
    """The monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock on which waiting costs nothing: a rehearsal of a minute ends in milliseconds."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        # Whatever else is ready runs, as it would during a real wait.
        await asyncio.sleep(0)
