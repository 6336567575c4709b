"""The parent of the worker: starts it again when it dies, forwards signals, and ends the calls of
processes that are gone. It loads no framework, so that it is small and outlives what it watches.
"""

import signal
import subprocess
import sys
import time
from types import FrameType

from voice.settings import REPOSITORY, Settings
from voice.worker.reaper import Reaper

TICK_SECONDS = 0.1
REAP_SECONDS = 1.0
RESTART_SECONDS = 1.0
# At the end, for what the control plane has not accepted yet; the rest stays in the spool.
LAST_DELIVERY_SECONDS = 10.0
COMMAND = (sys.executable, "-m", "voice", "serve")


class Supervisor:
    """`run` returns when a signal has asked to stop, and every call is over."""

    def __init__(self, settings: Settings) -> None:
        self._reaper = Reaper(settings)
        self._stops = 0
        self._next_reap = 0.0
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Serve until a signal. Returns the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._forward)
        while not self._stops:
            started = time.monotonic()
            status = self._watch_one()
            if not self._stops:
                sys.stderr.write(f"The worker ended with {status} and is started again\n")
                self._pause(started + RESTART_SECONDS)
        self._deliver_rest()
        return 0

    def _watch_one(self) -> int:
        """Start the worker, and return its status when it has ended."""
        # A group of its own: Ctrl-C in a terminal must not reach the processes of calls.
        self._child = subprocess.Popen(COMMAND, cwd=REPOSITORY, process_group=0)  # noqa: S603
        while (status := self._child.poll()) is None:
            self._tick()
        self._child = None
        return status

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def _tick(self) -> None:
        if time.monotonic() >= self._next_reap:
            self._reaper.reap()
            self._next_reap = time.monotonic() + REAP_SECONDS
        time.sleep(TICK_SECONDS)

    def _pause(self, until: float) -> None:
        while time.monotonic() < until and not self._stops:
            self._tick()

    def _deliver_rest(self) -> None:
        until = time.monotonic() + LAST_DELIVERY_SECONDS
        while self._reaper.reap() and time.monotonic() < until:
            time.sleep(REAP_SECONDS)
