"""Reads ahead in a thread: while the database stores one chunk, the next is read and judged."""

import queue
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar("Item")
CHUNKS_AHEAD = 2


class ReadAhead(Generic[Item]):
    """Chunks of an iterator that another thread runs. A context manager: leaving it ends the
    thread.

    The iterator is opened, run and closed in that thread, and may not touch the database there.
    """

    def __init__(self, open_items: Callable[[], Iterator[Item]], chunk_size: int) -> None:
        self._open = open_items
        self._size = chunk_size
        self._chunks: queue.Queue[list[Item] | BaseException | None] = queue.Queue(CHUNKS_AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> "ReadAhead[Item]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def chunks(
        self, *, while_waiting: Callable[[], None], every_seconds: float
    ) -> Iterator[list[Item]]:
        """Each chunk in order. Raises what the iterator raised, after the chunks before it."""
        while True:
            try:
                got = self._chunks.get(timeout=every_seconds)
            except queue.Empty:
                while_waiting()
                continue
            if isinstance(got, BaseException):
                raise got
            if got is None:
                return
            yield got

    def _run(self) -> None:
        try:
            items = self._open()
            try:
                while chunk := list(islice(items, self._size)):
                    if not self._put(chunk):
                        return
            finally:
                close = getattr(items, "close", None)
                if close:
                    close()
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - not handled here: handed to the thread that waits, and raised there
            self._put(error)

    def _put(self, what: list[Item] | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._chunks.put(what, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False
