"""How many connections each process of the web server holds, in memory that they share."""

import mmap
import time

SLOTS = 64  # far more than a server has processes, which are numbered as they are started
NO_PROCESS = -1
FRESH_SECONDS = 3  # a process that is alive sets its count every second
_INT_BYTES = 4


class ConnectionCounts:
    """Made before processes are forked. Each writes only its own number, so nothing is locked."""

    def __init__(self) -> None:
        self._counts = _shared_integers()
        self._set_at = _shared_integers()  # whole seconds, monotonic
        for slot in range(SLOTS):
            self._counts[slot] = NO_PROCESS

    def set(self, process: int, count: int) -> None:
        """Record how many connections the process with this number holds now."""
        self._counts[process % SLOTS] = count
        self._set_at[process % SLOTS] = int(time.monotonic())

    def has_fewer(self, count: int, *, besides: int) -> bool:
        """Whether a process that is alive, besides this one, holds fewer connections."""
        fresh_since = time.monotonic() - FRESH_SECONDS
        return any(
            NO_PROCESS < held < count
            and slot != besides % SLOTS
            and self._set_at[slot] >= fresh_since
            for slot, held in enumerate(self._counts)
        )


def _shared_integers() -> memoryview:
    return memoryview(mmap.mmap(-1, SLOTS * _INT_BYTES)).cast("i")
