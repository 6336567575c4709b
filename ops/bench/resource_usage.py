"""What a process has used: CPU time, memory, and round trips to the database."""

import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BYTES_PER_MEGABYTE = 1 << 20
# Fields of /proc/PID/stat after the name: utime, stime, and those of ended children.
CPU_FIELDS = (11, 12, 13, 14)


class RoundTripCounter:
    """Counts the statements of every connection that is opened after `install`, on any thread."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    def install(self) -> None:
        connection_created.connect(self.wrap, weak=False)

    def wrap(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        connection.execute_wrappers.append(self)

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        with self.lock:
            self.count += 1
        return execute(sql, params, many, context)


def own_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_megabytes() -> float:
    """The most resident memory this process has had (Linux, which counts in kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def current_megabytes() -> float:
    """Resident memory now (Linux).

    A child's peak starts at its parent's memory, which may hide how much the child itself needs.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / BYTES_PER_MEGABYTE


def cpu_seconds_of(name: str) -> float:
    """CPU time of all processes of that name and of their ended children (Linux; elsewhere 0)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # the process ended meanwhile
        # The name is in parentheses, and may itself contain spaces and parentheses.
        if text[text.index("(") + 1 : text.rindex(")")] == name:
            fields = text[text.rindex(")") + 2 :].split()
            ticks += sum(int(fields[index]) for index in CPU_FIELDS)
    return ticks / CLOCK_TICKS_PER_SECOND
