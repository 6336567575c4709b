"""The memory of the processes that a supervisor runs, and of everything that they have started."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

BYTES_PER_KILOBYTE = 1024
PARENT_FIELD = 1  # of /proc/PID/stat after the name


def resident_bytes(roots: Iterable[int]) -> dict[int, int]:
    """Return the resident memory of the processes and all below them, by process id (Linux)."""
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        if parent := _parent(folder):
            children[parent].append(int(folder.name))
    found: dict[int, int] = {}
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        found[process] = _resident(process)
        waiting += children[process]
    return found


def _parent(folder: Path) -> int:
    """Return the parent's id; 0 for a process that has just ended."""
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[PARENT_FIELD])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _resident(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * BYTES_PER_KILOBYTE
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0
