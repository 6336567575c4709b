"""Places in a process for work that workspaces share: threads, imports, deliveries.

No workspace may hold more places than it leaves free. So the next one always finds a place, and of
many that want all they can get, each ends up with about the same share.
"""

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial


class FairPlaces:
    """So many places in this process. Each is given back once, however often that is asked for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.freed = threading.Condition(self.lock)
        self.waiting = 0
        self.by_workspace: Counter[str] = Counter()

    def has_place(self, workspace: str, *, total: int) -> bool:
        """Return whether the workspace would get a place now."""
        with self.lock:
            return self._has_place(workspace, total)

    def try_reserve(
        self,
        workspace: str,
        *,
        total: int,
        each: int | None = None,
        wait_seconds: float = 0.0,
        max_waiting: int = 0,
    ) -> Callable[[], None] | None:
        """Return how to give the place back; None when the workspace gets none in time.

        `each` is the most that one workspace may have even where nobody else wants any. At most
        `max_waiting` threads wait for a place at the same time.
        """

        def is_free() -> bool:
            held = self.by_workspace[workspace]
            return self._has_place(workspace, total) and (each is None or held < each)

        with self.lock:
            if not is_free() and self.waiting < max_waiting:
                self.waiting += 1
                self.freed.wait_for(is_free, wait_seconds)
                self.waiting -= 1
            if not is_free():
                return None
            self.by_workspace[workspace] += 1
        return partial(self._give_back, workspace, threading.Lock())

    def _has_place(self, workspace: str, total: int) -> bool:
        return self.by_workspace[workspace] < total - self.by_workspace.total()

    def _give_back(self, workspace: str, once: threading.Lock) -> None:
        # A response may be closed twice.
        if not once.acquire(blocking=False):
            return
        with self.lock:
            self.by_workspace[workspace] -= 1
            if self.by_workspace[workspace] <= 0:
                del self.by_workspace[workspace]
            self.freed.notify_all()
