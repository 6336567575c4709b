"""What a process has used: CPU, memory, round trips to the database."""

import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

TICKS = os.sysconf("SC_CLK_TCK")


class RoundTrips:
    """Counts the statements of every connection opened after `watch`, on whatever thread."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    def watch(self) -> None:
        connection_created.connect(self.attach, weak=False)

    def attach(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def megabytes_now() -> float:
    """Resident memory at this moment (Linux). The peak of a child begins at what its parent had,
    and may hide it.
    """
    return (
        int(Path("/proc/self/statm").read_text().split()[1])
        * os.sysconf("SC_PAGE_SIZE")
        / (1 << 20)
    )


def cpu_seconds_of(name: str) -> float:
    """CPU of all processes of that name and of what they left behind (Linux; elsewhere 0)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # it ended while we looked
        if text[text.index("(") + 1 : text.rindex(")")] == name:
            fields = text[text.rindex(")") + 2 :].split()
            ticks += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return ticks / TICKS
