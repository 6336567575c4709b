"""Places for requests that wait on an outside service, a long list or a slow reader.

Each holds a thread of the web server meanwhile. Without a budget, one workspace's purchases or
downloads would take every thread, and everybody's reads would wait behind them.
"""

from collections.abc import Callable

from django.conf import settings

from voiceops.core.errors import Busy
from voiceops.core.fair_places import FairPlaces

# A few requests more than there are places for arrive together in every honest client, and most of
# them take a moment only. Those that wait hold a thread, too, so that they are few.
MAX_WAITING_REQUESTS = 3
TOO_MANY_LONG_REQUESTS = "Too many long requests at the same time; try again"


places = FairPlaces()


def reserve_place(workspace: str) -> Callable[[], None]:
    """Reserve a place for one request, and return how to give it back.

    Raises Busy when the process or the workspace has none left, and none is given back in time.
    """
    release = places.try_reserve(
        workspace,
        total=settings.SLOW_REQUESTS_PER_PROCESS,
        each=settings.SLOW_REQUESTS_PER_WORKSPACE,
        wait_seconds=settings.SLOW_REQUEST_WAIT_SECONDS,
        max_waiting=MAX_WAITING_REQUESTS,
    )
    if release is None:
        raise Busy(TOO_MANY_LONG_REQUESTS)
    return release
