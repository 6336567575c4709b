"""The processes of a benchmark: it starts itself again, once for each part, and hears at the end
what the part saw.
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

from ops.bench.cluster import again, given_postgres
from ops.new_secrets import new_secrets
from ops.serving.ports import free_ports

START_SECONDS = 20.0


@dataclass(frozen=True)
class Parts:
    command: str  # the benchmark's own

    def start(self, part: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "manage.py", self.command, "--part", part, *more]
        return subprocess.Popen(  # noqa: S603 ourselves
            command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @contextmanager
    def server(self, *more: str) -> Iterator[dict[str, Any]]:
        """LiveKit's stand-in, beside; what it told at its end stands in the yielded dict
        afterwards.
        """
        told: dict[str, Any] = {}
        process = self.start("server", *more)
        wait_for_port(livekit_port())
        try:
            yield told
        finally:
            told |= json.loads(process.communicate("", timeout=30)[0] or "{}")


def again_with_livekit() -> int:
    """Run this benchmark again, with a database, and LIVEKIT_URL on a free port; its exit code.
    Raises DomainError.
    """
    [port] = free_ports(1)
    return again(
        {**new_secrets(), "LIVEKIT_URL": f"http://127.0.0.1:{port}"}, given=given_postgres()
    )


def livekit_port() -> int:
    return int(settings.LIVEKIT_URL.rsplit(":", 1)[1])


def wait_for_port(port: int) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on {port} after {START_SECONDS:.0f} s")
