"""Running steps in isolation: an unexpected error in one does not keep the others from running.

Any exception is caught here, by the loops of background threads, and where several requests are
tried together before each is tried alone (`telephony/services/intake.py`): nowhere else. It is
logged, and with that reported to Sentry. A lost database is not the trouble of a single step, so it
ends the round.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Hashable, Iterable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

from voiceops.core.disk_space import is_disk_full
from voiceops.core.orm_thread import closing_broken_connections

logger = logging.getLogger(__name__)
T = TypeVar("T")
# Raised when the database is unreachable, and by PostgreSQL for a statement that took too long.
DATABASE_LOST_ERRORS = (OperationalError, InterfaceError)


def run_isolated(step: Callable[..., T], *arguments: Any) -> T | None:
    """Return the step's result; None when it fails, which is logged.

    Raises OperationalError or InterfaceError when the database is unreachable or its disk is full.
    """
    try:
        return closing_broken_connections(step, *arguments)
    except Exception as error:
        if isinstance(error, OperationalError) and is_disk_full(error):
            raise  # every further step would fail the same
        # Raises when the database is lost; every further step would log the same.
        closing_broken_connections(check_database)
        logger.exception(
            "A step failed; the others continue: %s", getattr(step, "__qualname__", step)
        )
        return None


class SetAside:
    """Rows on which a step failed unexpectedly: left out of a loop's queries, and tried again
    later, after twice the time with every failure.

    Kept in the memory of a process, because nothing of the row may have to be written for it.
    """

    FIRST_WAIT_SECONDS = 30.0
    MAX_WAIT_SECONDS = 3600.0
    MAX_ROWS = 1_000  # left out of a query; of more, the oldest are tried again at once

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Hashable, tuple[float, float]] = {}  # until when, and the wait before

    def waiting(self) -> list[Any]:
        """Return the keys of the rows that are not to be tried yet."""
        with self._lock:
            now = time.monotonic()
            return [key for key, (until, _) in self._rows.items() if until > now]

    def run(self, step: Callable[..., T], key: Hashable, *arguments: Any) -> T | None:
        """Return the step's result for a row; None when it fails, which sets the row aside.

        Raises OperationalError or InterfaceError when the database is unreachable.
        """
        results: list[T] = []
        run_isolated(lambda: results.append(step(*arguments)))
        with self._lock:
            if results:
                self._rows.pop(key, None)
                return results[0]
            self._add(key)
        logger.error("Set aside %s of %s", key, getattr(step, "__qualname__", step))
        return None

    def forget(self) -> None:
        """Try every row again at once."""
        with self._lock:
            self._rows.clear()

    def _add(self, key: Hashable) -> None:
        _, wait = self._rows.pop(key, (0.0, self.FIRST_WAIT_SECONDS / 2))
        wait = min(wait * 2, self.MAX_WAIT_SECONDS)
        self._rows[key] = (time.monotonic() + wait, wait)
        while len(self._rows) > self.MAX_ROWS:
            del self._rows[next(iter(self._rows))]


def check_database() -> None:
    """Raises OperationalError or InterfaceError when the database is unreachable."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def gather_isolated(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run the steps concurrently. The failure of one is logged.

    Raises OperationalError or InterfaceError, once all have finished, when the database is
    unreachable.
    """
    results = await asyncio.gather(*steps, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if not isinstance(error, DATABASE_LOST_ERRORS):
            logger.error("A step failed; the others continue", exc_info=error)
    # A cancellation or an exit is not the failure of a step, so it is raised as a lost database is.
    for error in errors:
        if isinstance(error, DATABASE_LOST_ERRORS) or not isinstance(error, Exception):
            raise error
