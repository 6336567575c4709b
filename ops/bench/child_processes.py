"""The processes of a benchmark. It starts itself again for each part, and each part prints what it
measured as JSON when it ends.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from ops.bench.rerun import given_postgres_url, rerun_isolated
from ops.new_secrets import new_secrets
from ops.serving.ports import free_ports

SERVER_START_SECONDS = 20.0
SERVER_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class BenchmarkParts:
    """Starts the parts of one benchmark; `command` is the benchmark's management command."""

    command: str

    def start(self, part: str, *arguments: str) -> subprocess.Popen[str]:
        """Start one part, with pipes for its standard input and output."""
        command = [sys.executable, "manage.py", self.command, "--part", part, *arguments]
        return subprocess.Popen(  # noqa: S603 ourselves
            command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @contextmanager
    def running_server(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """The part that stands in for LiveKit. When the block has ended, the yielded dictionary
        holds what it measured.

        Raises TimeoutError when it does not start.
        """
        measured: dict[str, Any] = {}
        process = self.start("server", *arguments)
        wait_for_port(livekit_port())
        try:
            yield measured
        finally:
            # The server ends when its standard input is closed, which communicate does.
            output, _ = process.communicate("", timeout=SERVER_STOP_SECONDS)
            measured |= json.loads(output or "{}")


def rerun_with_livekit() -> int:
    """Run this benchmark again, with a database, and LIVEKIT_URL on a free port; returns the exit
    code. Raises CommandError.
    """
    [port] = free_ports(1)
    environment = {**new_secrets(), "LIVEKIT_URL": f"http://127.0.0.1:{port}"}
    return rerun_isolated(environment, database_url=given_postgres_url())


def livekit_port() -> int:
    return int(settings.LIVEKIT_URL.rsplit(":", 1)[1])


def wait_for_port(port: int) -> None:
    """Wait until something listens on the port. Raises TimeoutError."""
    deadline = time.monotonic() + SERVER_START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port} after {SERVER_START_SECONDS:.0f} s")
