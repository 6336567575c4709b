"""What a process has used: CPU time, memory, and round trips to the database."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BYTES_PER_MEGABYTE = 1 << 20
# Fields of /proc/PID/stat after the name: utime, stime, and those of ended children.
PARENT_FIELD = 1
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
    """The most resident memory this program has had (Linux).

    Not `ru_maxrss`, which starts at what the process had before it became this program: its
    parent's memory.
    """
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


def current_megabytes() -> float:
    """Resident memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / BYTES_PER_MEGABYTE


def cpu_seconds_of(name: str) -> float:
    """CPU time of all processes of that name and of their ended children (Linux; elsewhere 0)."""
    return sum(each.cpu_seconds for each in _processes() if each.name == name)


def cpu_seconds_of_tree(pid: int) -> float:
    """CPU time of a process, its descendants, and those of them that have ended (Linux)."""
    return sum(each.cpu_seconds for each in _tree_of(pid))


def shared_megabytes_of_tree(pid: int) -> float:
    """Memory of a process and its descendants; a page that several share is counted once (PSS)."""
    return sum(_proportional_megabytes(each.pid) for each in _tree_of(pid))


def parent_of(pid: int) -> int:
    """The process that started this one (Linux)."""
    return _read_process(Path(f"/proc/{pid}/stat")).parent


@dataclass(frozen=True)
class _Process:
    pid: int
    name: str
    parent: int
    cpu_seconds: float


def _processes() -> Iterator[_Process]:
    """Every process of the machine (Linux; elsewhere none)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # A process may end meanwhile.
        with suppress(OSError):
            yield _read_process(stat)


def _read_process(stat: Path) -> _Process:
    """Raises OSError when the process has ended."""
    text = stat.read_text()
    # The name is in parentheses, and may itself contain spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return _Process(
        pid=int(stat.parent.name),
        name=text[text.index("(") + 1 : text.rindex(")")],
        parent=int(fields[PARENT_FIELD]),
        cpu_seconds=sum(int(fields[index]) for index in CPU_FIELDS) / CLOCK_TICKS_PER_SECOND,
    )


def _tree_of(pid: int) -> list[_Process]:
    found = list(_processes())
    tree = [each for each in found if each.pid == pid]
    # The list grows while it is read: each process adds its children.
    for member in tree:
        tree += [each for each in found if each.parent == member.pid]
    return tree


def _proportional_megabytes(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(kilobytes) / 1024
