"""Keeps a handful of processes running, and leaves none behind.

Each process leads a process group of its own, so that everything it started can be ended with it. A
process that dies is started again at once and always: there is no back-off, because calls wait for
it. (At most one start a second each, so that a process that cannot run does not use up a core.)
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Self

from django.conf import settings

from ops.serving.die_with_parent import die_with_parent_command
from voiceops.core.errors import DomainError

TICK_SECONDS = 0.1
RESTART_SECONDS = 1.0
START_SECONDS = 60.0
LOG_CHECK_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
UNDER_NOHUP = (signal.SIGHUP, signal.SIG_IGN)


class StartError(DomainError):
    """A process ended before it was ready, or was not ready in time. The message names it and its
    log.
    """


@dataclass(frozen=True)
class Service:
    """One process to keep running.

    `stop_seconds` is how long it may take to end after SIGTERM before it gets SIGKILL;
    `orphan_signal` is what the kernel sends it should the supervisor be killed. A service that
    `stops_last` is stopped after all the others have ended.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    cwd: Path | None = None
    ready: Callable[[], bool] = lambda: True
    pass_fds: tuple[int, ...] = ()
    stop_seconds: float = 2.0
    orphan_signal: signal.Signals = signal.SIGKILL
    stops_last: bool = False

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process, with its output appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        rotate_log(self.log)
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 our own commands, no shell
                die_with_parent_command(self.command, number=self.orphan_signal),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self.pass_fds,
                process_group=0,
            )


def rotate_log(log: Path) -> None:
    """Move a log of more than MAX_LOG_BYTES into the file with `.1` at its end, and empty it.

    Its process goes on writing into the same file, which it opened for appending. Lines written
    between copying and emptying are lost; on a full disk, which a copy needs, the whole log is.
    """
    with suppress(FileNotFoundError):
        if log.stat().st_size <= settings.MAX_LOG_BYTES:
            return
        earlier = log.with_suffix(".log.1")
        try:
            shutil.copyfile(log, earlier)
        except OSError:
            earlier.unlink(missing_ok=True)
        os.truncate(log, 0)


@dataclass
class RunningService:
    """A service and its current process."""

    service: Service
    process: subprocess.Popen[bytes] = field(init=False)
    started_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = self.service.spawn()

    def is_dead(self) -> bool:
        return self.process.poll() is not None

    def kill_group(self) -> None:
        """Kill what is left of the process group, because children of a killed process would keep
        its port.
        """
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart_if_dead(self) -> bool:
        """Start a dead process again; True when that happened."""
        # A process that dies at once is started only once a second, or it would use up a core.
        if not self.is_dead() or time.monotonic() - self.started_at < RESTART_SECONDS:
            return False
        self.kill_group()
        self.start()
        return True

    def wait_or_kill(self, deadline: float) -> None:
        """Wait until the process ends, or kill it at the deadline (monotonic time)."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        self.kill_group()


def stop_all(group: Sequence[RunningService]) -> None:
    """Stop them in parallel: it takes as long as the slowest needs."""
    began = time.monotonic()
    for running in group:
        if not running.is_dead():
            running.process.terminate()
    for running in group:
        running.wait_or_kill(began + running.service.stop_seconds)


class Supervisor:
    """Starts `services`, and stops them all when its block ends.

    Use it as a context manager, in the main thread. `report` receives a sentence for every event
    that an operator should see.
    """

    def __init__(self, services: Sequence[Service], *, report: Callable[[str], None]) -> None:
        self.services = services
        self.report = report
        self.running: list[RunningService] = []
        self.stopping = False

    def __enter__(self) -> Self:
        # Under nohup, SIGHUP stays ignored.
        numbers = [
            number for number in STOP_SIGNALS if (number, signal.getsignal(number)) != UNDER_NOHUP
        ]
        self.handlers = {number: signal.signal(number, self._request_stop) for number in numbers}
        return self

    def __exit__(self, *args: object) -> None:
        # Calls in progress need LiveKit while workers hand them over, so the sandbox stops last.
        stop_all([running for running in self.running if not running.service.stops_last])
        stop_all([running for running in self.running if running.service.stops_last])
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def start(self) -> None:
        """Start everything and wait until it is ready, or until a signal asks to stop.

        Raises StartError.
        """
        self.running = [RunningService(service) for service in self.services]
        deadline = time.monotonic() + START_SECONDS
        waiting = list(self.running)
        while waiting and not self.stopping:
            time.sleep(TICK_SECONDS)
            waiting = [running for running in waiting if not running.service.ready()]
            late = time.monotonic() > deadline
            for running in self.running:
                self._check_start(running, late=late and running in waiting)

    def watch(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """Restart processes that die, until a signal asks to stop or `until` returns True."""
        next_check = 0.0
        while not self.stopping and not until():
            if time.monotonic() >= next_check:
                self.rotate_logs()
                next_check = time.monotonic() + LOG_CHECK_SECONDS
            for running in self.running:
                if running.restart_if_dead():
                    self.report(f"{running.service.name} had ended and was started again")
            time.sleep(TICK_SECONDS)

    def rotate_logs(self) -> None:
        """Keep the logs of all processes within their limit."""
        for running in self.running:
            rotate_log(running.service.log)

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        # Only set a flag: a second Ctrl-C must not interrupt the stopping halfway.
        self.stopping = True

    def _check_start(self, running: RunningService, *, late: bool) -> None:
        """Raises StartError when the process is dead or `late`."""
        if not late and not running.is_dead():
            return
        how = f"was not ready after {START_SECONDS:.0f} s" if late else "ended while it started"
        log = running.service.log
        raise StartError(f"{running.service.name} {how}; its log ends: {_last_line(log)} ({log})")


def _last_line(log: Path) -> str:
    """The last line of a log; only the message when the line is one of our JSON records
    (`voiceops/observability/structured_logging.py`).
    """
    lines = log.read_text(errors="replace").strip().splitlines() or ["(empty)"]
    try:
        return str(json.loads(lines[-1])["message"])
    except (ValueError, TypeError, KeyError):
        return lines[-1]
