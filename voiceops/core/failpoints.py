"""Places where a drill has this process die at the worst moment. Honoured only with DEBUG=1.

    VO_FAIL=after_intent:3                  SIGKILL to itself at the third passing
    VO_FAIL=after_claim:2,after_intent:1    several, each by its own count
    VO_FAIL=after_intent:3:STOP             SIGSTOP instead; whoever runs the drill sends SIGCONT

Each strikes once: it leaves a file `failpoints/<name>` in DATA_DIR with the ids of the calls it
struck, so that the process that is started in its place lives, and the drill knows whom to look at.
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


@dataclass
class Failpoint:
    name: str
    hits_left: int  # left until it strikes
    signal_number: signal.Signals

    @property
    def marker(self) -> Path:
        return Path(settings.DATA_DIR) / "failpoints" / self.name

    def trigger(self, ids: list[str]) -> None:
        self.marker.parent.mkdir(exist_ok=True)
        try:
            with self.marker.open("x") as file:
                file.write("\n".join(ids))
        except FileExistsError:
            return  # another process was struck here before
        os.kill(os.getpid(), self.signal_number)
        time.sleep(
            0.5
        )  # the signal may be another thread's to receive: this one must not go on meanwhile


@cache
def active_failpoints() -> dict[str, Failpoint]:
    """What VO_FAIL names. Raises ValueError and KeyError for what cannot be read."""
    told = os.environ.get("VO_FAIL", "") if settings.DEBUG else ""
    points = {}
    for one in filter(None, told.split(",")):
        name, _, rest = one.partition(":")
        count, _, kind = rest.partition(":")
        points[name] = Failpoint(name, int(count or 1), signal.Signals[f"SIG{kind or 'KILL'}"])
    return points


def hit(name: str, ids: Iterable[object], *, delay: float = 0.0) -> None:
    """Die here if told so, `delay` seconds from now: what was just begun needs a moment to leave
    the process.
    """
    point = active_failpoints().get(name)
    if point is None:
        return
    point.hits_left -= 1
    if point.hits_left != 0:
        return
    struck = [str(pk) for pk in ids]
    if delay:
        threading.Timer(delay, point.trigger, (struck,)).start()
    else:
        point.trigger(struck)
