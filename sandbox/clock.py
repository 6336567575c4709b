"""Two clocks: the wall, and the telephone network's, which runs `speed` times as fast."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    speed: float

    def to_wall_seconds(self, seconds: float) -> float:
        """How many seconds of ours pass while `seconds` pass on the telephone."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Let simulated seconds pass."""
        await asyncio.sleep(self.to_wall_seconds(seconds))

    @staticmethod
    def now() -> float:
        return time.time()

    @staticmethod
    def iso(at: float | None = None) -> str:
        moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
