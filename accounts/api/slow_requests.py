"""Places for requests that wait on an outside service, a long list or a slow reader.

Each holds a thread of the web server meanwhile. Without a budget, one workspace's purchases or
downloads would take every thread, and everybody's reads would wait behind them.
"""

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial

from django.conf import settings

from voiceops.core.errors import Busy

TOO_MANY_LONG_REQUESTS = "Too many long requests at the same time; try again"


class Places:
    """So many places in this process, and so many of them for one workspace."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_workspace: Counter[str] = Counter()

    def try_reserve(self, workspace: str, *, total: int, each: int) -> Callable[[], None] | None:
        """Return how to give the place back, once; None when there is none."""
        with self.lock:
            is_full = self.by_workspace.total() >= total
            if is_full or self.by_workspace[workspace] >= each:
                return None
            self.by_workspace[workspace] += 1
        return partial(self._give_back, workspace, threading.Lock())

    def _give_back(self, workspace: str, once: threading.Lock) -> None:
        # A response may be closed twice.
        if not once.acquire(blocking=False):
            return
        with self.lock:
            self.by_workspace[workspace] -= 1
            if self.by_workspace[workspace] <= 0:
                del self.by_workspace[workspace]


places = Places()


def reserve_place(workspace: str) -> Callable[[], None]:
    """Reserve a place for one request, and return how to give it back.

    Raises Busy when the process or the workspace has none left.
    """
    release = places.try_reserve(
        workspace,
        total=settings.SLOW_REQUESTS_PER_PROCESS,
        each=settings.SLOW_REQUESTS_PER_WORKSPACE,
    )
    if release is None:
        raise Busy(TOO_MANY_LONG_REQUESTS)
    return release
