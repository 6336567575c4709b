"""Stores chunks on two connections: while the database commits one, the next is copied in.

A server process of PostgreSQL works on one core, and a third of a chunk's time is the check of its
foreign keys at the end. Chunks are still finished strictly in the order in which they were
submitted, so that `rows_read` has no gaps.
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
    """Stores chunks in threads. Leaving the context waits for the chunks under way.

    `store` is called in a thread, on a connection of its own, with a chunk and a function that
    waits until the previous chunk has been stored; that function raises what storing it raised.
    """

    def __init__(self, store: Callable[[Chunk, WaitForTurn], None]) -> None:
        self._store = store
        # One executor for each connection: chunks alternate between them.
        self._threads = [
            ThreadPoolExecutor(1, thread_name_prefix="import-writer") for _ in range(WRITER_COUNT)
        ]
        self._next_thread = cycle(self._threads)
        self._pending: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # In each thread itself: Django's connections belong to the thread that opened them.
        for thread in self._threads:
            thread.submit(connections.close_all)
        for thread in self._threads:
            thread.shutdown()

    def submit(self, chunk: Chunk) -> None:
        """Store a chunk in the next thread; waits until it is free.

        Raises what storing an earlier chunk raised.
        """
        if len(self._pending) == WRITER_COUNT:
            self._pending.pop(0).result()
        wait_for_turn = self._pending[-1].result if self._pending else _no_previous
        self._pending.append(next(self._next_thread).submit(self._store, chunk, wait_for_turn))

    def flush(self) -> None:
        """Wait until every chunk is stored. Raises what storing one raised."""
        while self._pending:
            self._pending.pop(0).result()


def _no_previous() -> None:
    """Return at once: the first chunk has none before it."""
