"""Places for requests that wait on an outside service, a long list or a slow reader.

Each holds a thread of the web server meanwhile. Without a budget, one workspace's purchases or
downloads would take every thread, and everybody's reads would wait behind them.
"""

from collections.abc import Callable

from django.conf import settings

from voiceops.core.errors import Busy
from voiceops.core.fair_places import FairPlaces

TOO_MANY_LONG_REQUESTS = "Too many long requests at the same time; try again"


places = FairPlaces()


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
