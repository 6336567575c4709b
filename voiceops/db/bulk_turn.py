"""Transactions of thousands of rows, which others must not wait for.

SQLite has one writer at a time. Whoever finds it busy sleeps for up to a tenth of a second between
two looks, so that a list that is stored without a pause keeps it from everybody else.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

MIN_WRITER_PAUSE_SECONDS = 0.01
MAX_WRITER_PAUSE_SECONDS = 0.2

_turn = threading.Lock()


@contextmanager
def bulk_transaction(*, pause_factor: int = 1) -> Iterator[None]:
    """A transaction. On SQLite there is one of these at a time in a process, and after it nobody
    begins another for as long as it has taken, times `pause_factor`.
    """
    if connection.vendor != "sqlite":
        with transaction.atomic():
            yield
        return
    with _turn:
        with transaction.atomic():
            began = time.monotonic()  # the wait for the writer is over
            yield
        held = time.monotonic() - began
        time.sleep(
            min(max(pause_factor * held, MIN_WRITER_PAUSE_SECONDS), MAX_WRITER_PAUSE_SECONDS)
        )
