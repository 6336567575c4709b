"""Reads ahead in a thread: while the database stores one chunk, the next is read and validated."""

import queue
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar("Item")
CHUNKS_AHEAD = 2
STOP_CHECK_SECONDS = 0.2


class ReadAhead(Generic[Item]):
    """Chunks of an iterator that runs in another thread. Leaving the context ends the thread.

    The iterator is opened, run and closed in that thread, and must not use the database there.
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
        """Yield each chunk in order; call `while_waiting` when one takes longer than that.

        Raises what the iterator raised, after the chunks before it.
        """
        while True:
            try:
                # With a timeout, because the caller must renew its lease while it waits.
                received = self._chunks.get(timeout=every_seconds)
            except queue.Empty:
                while_waiting()
                continue
            if isinstance(received, BaseException):
                raise received
            if received is None:
                return
            yield received

    def _run(self) -> None:
        try:
            items = self._open()
            try:
                while chunk := list(islice(items, self._size)):
                    if not self._put(chunk):
                        return
            finally:
                # Generators close the file they read; other iterators may have no close().
                close = getattr(items, "close", None)
                if close:
                    close()
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._put(error)

    def _put(self, item: list[Item] | BaseException | None) -> bool:
        """Queue the item as soon as there is a free place. False when the reader was stopped."""
        while not self._stopped.is_set():
            try:
                self._chunks.put(item, timeout=STOP_CHECK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
