"""Stores chunks in two lanes: while the database checks and commits one, the next is already being
copied in.

A server process of PostgreSQL works on one core, and a third of a chunk's time is the check of its
foreign keys at the end. Chunks are still finished strictly in the order in which they were given,
so that `rows_read` has no holes.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import Generic, Self, TypeVar

from django.db import connections

Chunk = TypeVar("Chunk")
WaitForTurn = Callable[[], None]
WRITER_COUNT = 2


class ParallelWriter(Generic[Chunk]):
    """A context manager; leaving it waits for the chunks under way.

    `store` is called in a lane's thread, on a connection of its own, with a chunk and a function
    that waits until the chunk before has been stored; that function raises what storing it raised.
    """

    def __init__(self, store: Callable[[Chunk, WaitForTurn], None]) -> None:
        self._store = store
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix="import-lane") for _ in range(WRITER_COUNT)
        ]
        self._next = cycle(self._threads)
        self._last: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.submit(connections.close_all)
        for thread in self._threads:
            thread.shutdown()

    def submit(self, chunk: Chunk) -> None:
        """Store a chunk as soon as a lane is free; waits until then. Raises what storing an earlier
        one raised.
        """
        if len(self._last) == WRITER_COUNT:
            self._last.pop(0).result()
        before = self._last[-1].result if self._last else _no_previous
        self._last.append(next(self._next).submit(self._store, chunk, before))

    def flush(self) -> None:
        """Wait until everything is stored. Raises what storing it raised."""
        while self._last:
            self._last.pop(0).result()


def _no_previous() -> None:
    """There is no chunk before the first."""
