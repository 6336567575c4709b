"""The one kind of background thread a worker has."""

import logging
import threading
from collections.abc import Callable

from django.db import close_old_connections, connections

from voiceops.core.disk_space import is_disk_full
from voiceops.core.isolation import DATABASE_LOST_ERRORS

logger = logging.getLogger(__name__)


class PeriodicThread(threading.Thread):
    """Calls `run_once` every `interval_seconds`, the first time after `first_delay_seconds`.

    No exception ends the thread: it is logged, and the next round tries again. While the database
    is unreachable one warning is logged, not one per round. `wake` starts the next round at once.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], object],
        *,
        interval_seconds: float,
        first_delay_seconds: float | None = None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._run_once = run_once
        self._interval_seconds = interval_seconds
        self._first_delay_seconds = first_delay_seconds
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._database_is_lost = False

    def run(self) -> None:
        """Run rounds until stopped. Called by `start`."""
        first = self._first_delay_seconds
        self._wait(self._interval_seconds if first is None else first)
        while not self._stopped.is_set():
            self.run_round()
            self._wait(self._interval_seconds)
        connections.close_all()

    def run_round(self) -> None:
        """Run one round. Never raises."""
        try:
            # Django does this for each request; a thread must do it for itself.
            close_old_connections()
            self._run_once()
        except DATABASE_LOST_ERRORS as error:
            self._log_lost_database(error)
        except Exception:  # a thread that ends at the first surprise is missed only much later
            logger.exception("A round of %s failed, the next one tries again", self.name)
        else:
            self._database_is_lost = False

    def wake(self) -> None:
        """Start the next round now instead of at the end of the interval."""
        self._woken.set()

    def stop(self) -> None:
        """End the thread after the current round."""
        self._stopped.set()
        self._woken.set()

    def _wait(self, seconds: float) -> None:
        self._woken.wait(seconds)
        self._woken.clear()

    def _log_lost_database(self, error: Exception) -> None:
        if not self._database_is_lost:
            logger.warning(
                "%s, %s tries again every %g s: %s",
                "The disk is full" if is_disk_full(error) else "The database cannot be reached",
                self.name,
                self._interval_seconds,
                type(error).__name__,
            )
        self._database_is_lost = True
