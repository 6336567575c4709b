"""Wall clock and simulated time, which passes `speed` times as fast."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    speed: float

    def to_wall_seconds(self, seconds: float) -> float:
        """Convert simulated seconds to seconds of the wall clock."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Sleep for simulated seconds."""
        await asyncio.sleep(self.to_wall_seconds(seconds))

    @staticmethod
    def now() -> float:
        """Return Unix time, by the wall clock."""
        return time.time()

    @staticmethod
    def iso(at: float | None = None) -> str:
        """Format a Unix time, by default now, as `2026-01-02T03:04:05.000006Z`."""
        moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
