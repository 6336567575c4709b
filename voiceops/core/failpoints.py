"""Points at which a drill kills this process at the worst moment. They work only with DEBUG=1.

    VO_FAIL=after_intent:3                  SIGKILL to this process at the third hit
    VO_FAIL=after_claim:2,after_intent:1    several points, each with a count of its own
    VO_FAIL=after_intent:3:STOP             SIGSTOP instead; the drill sends SIGCONT

Each point triggers once. It writes the ids of the calls that were being handled to
`failpoints/<name>` in DATA_DIR. The process that replaces this one finds the file and lives; the
drill reads which calls to check.
"""

import os
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

SIGNAL_DELIVERY_SECONDS = 0.5


@dataclass
class Failpoint:
    name: str
    hits_left: int
    signal_number: signal.Signals

    @property
    def marker(self) -> Path:
        """The file that exists once the point has triggered."""
        return Path(settings.DATA_DIR) / "failpoints" / self.name

    def trigger(self, ids: list[str]) -> None:
        """Write the ids and send the signal, unless another process has triggered the point."""
        self.marker.parent.mkdir(exist_ok=True)
        try:
            # Mode x lets one of several processes win, and the file outlives the kill.
            with self.marker.open("x") as file:
                file.write("\n".join(ids))
        except FileExistsError:
            return
        os.kill(os.getpid(), self.signal_number)
        # Another thread may receive the signal; this one must not continue in the meantime.
        time.sleep(SIGNAL_DELIVERY_SECONDS)


@cache
def active_failpoints() -> dict[str, Failpoint]:
    """Return the points that VO_FAIL names. Raises ValueError and KeyError for other texts."""
    value = os.environ.get("VO_FAIL", "") if settings.DEBUG else ""
    points = {}
    for item in filter(None, value.split(",")):
        name, _, rest = item.partition(":")
        hits, _, kind = rest.partition(":")
        points[name] = Failpoint(name, int(hits or 1), signal.Signals[f"SIG{kind or 'KILL'}"])
    return points


def hit(name: str, ids: Iterable[object], *, delay: float = 0.0) -> None:
    """Trigger the failpoint if it is active and its hits are used up.

    `delay` is in seconds: something that was just begun needs a moment to leave the process.
    """
    point = active_failpoints().get(name)
    if point is None:
        return
    point.hits_left -= 1
    # Compared with 0, because a point triggers only once, though hits continue.
    if point.hits_left != 0:
        return
    call_ids = [str(pk) for pk in ids]
    if delay:
        threading.Timer(delay, point.trigger, (call_ids,)).start()
    else:
        point.trigger(call_ids)
