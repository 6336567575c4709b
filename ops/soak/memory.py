"""The memory of the processes that a supervisor runs, and of everything that they have started."""

from collections.abc import Iterable
from pathlib import Path

from ops.serving.process_tree import process_tree

BYTES_PER_KILOBYTE = 1024


def resident_bytes(roots: Iterable[int]) -> dict[int, int]:
    """Return the resident memory of the processes and all below them, by process id (Linux)."""
    return {process: _resident(process) for process in process_tree(roots)}


def _resident(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * BYTES_PER_KILOBYTE
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0
