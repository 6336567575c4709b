"""Finding the processes a test has started, whoever their parent is by now."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

MARK = "VOICEOPS_TEST_MARK"


def marked(mark: str, word: str = "") -> set[int]:
    """The living processes (no zombies) that carry the mark, other than this one, with `word` in
    their command line.
    """
    wanted = f"{MARK}={mark}".encode()
    found = {
        int(entry.name) for entry in Path("/proc").iterdir() if _is(entry, wanted, word.encode())
    }
    return found - {os.getpid()}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def eventually(is_true: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _is(entry: Path, wanted: bytes, word: bytes) -> bool:
    try:
        return (
            entry.name.isdigit()
            and wanted in (entry / "environ").read_bytes().split(b"\0")
            and word in (entry / "cmdline").read_bytes()
        )
    except OSError:  # it ended while we looked
        return False
