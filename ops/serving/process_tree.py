"""Processes and everything that they have started (Linux)."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PARENT_FIELD = 1  # of /proc/PID/stat after the name


def process_tree(roots: Iterable[int]) -> list[int]:
    """Return the ids of these processes and of all below them."""
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        if parent := _parent(folder):
            children[parent].append(int(folder.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children[process]
    return found


def _parent(folder: Path) -> int:
    """Return the parent's id; 0 for a process that has just ended."""
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[PARENT_FIELD])
    except (FileNotFoundError, ProcessLookupError):
        return 0
