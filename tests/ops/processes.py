"""Finds the processes that a test has started, whatever their parent is by now."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

MARK_VARIABLE = "VOICEOPS_TEST_MARK"
Process = TypeVar("Process", subprocess.Popen[str], subprocess.Popen[bytes])


@contextmanager
def killed_at_end(process: Process) -> Iterator[Process]:
    """Kill the process when the block ends. Without that, a failing test would wait for it."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def processes_of(mark: str, word: str = "") -> set[int]:
    """The ids of living processes, without zombies and this one, that have the mark in their
    environment and `word` in their command line.
    """
    variable = f"{MARK_VARIABLE}={mark}".encode()
    found = {
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if _matches(entry, variable, word.encode())
    }
    return found - {os.getpid()}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def becomes_true(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether the condition holds in time. A killed process is gone only a moment later."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _matches(entry: Path, variable: bytes, word: bytes) -> bool:
    try:
        return (
            entry.name.isdigit()
            and variable in (entry / "environ").read_bytes().split(b"\0")
            and word in (entry / "cmdline").read_bytes()
        )
    except OSError:  # it ended meanwhile
        return False
