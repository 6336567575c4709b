"""A whole installation on the sandbox, started for the tests: `manage.py serve` on free ports."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from voiceops import VoiceOps

ROOT = Path(__file__).resolve().parents[3]
READY_LINE = "Ctrl-C stops everything"
STOP_SECONDS = 60
# Everybody hurries: a call of half a minute is over in half a second.
SANDBOX_SPEED = "60"
PASSWORD = "correct horse battery staple"
NUMBER = "+12025550199"


class Installation(NamedTuple):
    """Its address, and an admin's key of a new workspace."""

    url: str
    api_key: str


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Yield the address of an installation with its data in `folder`."""
    ports = {"PORT": str(_free_port()), "SANDBOX_PORT": str(_free_port())}
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}
    }
    environment |= {**ports, "DEBUG": "1", "DATA_DIR": str(folder), "SANDBOX_SPEED": SANDBOX_SPEED}
    command = [str(ROOT / ".venv/bin/python"), "manage.py", "serve"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            _wait_until_ready(process)
            yield f"http://127.0.0.1:{ports['PORT']}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=STOP_SECONDS)


def register(url: str) -> Installation:
    """Create a workspace without gaps between calls, and an admin's key of it."""
    with VoiceOps(url) as anonymous:
        tokens = anonymous.auth.register(email="ada@example.com", password=PASSWORD)
    with VoiceOps(url, api_key=tokens.access_token) as admin:
        workspace = admin.auth.me_get().default_workspace_id
        assert workspace is not None
        admin.workspaces.update(workspace, min_gap_minutes=0)
        return Installation(url, admin.api_keys.create(name="tests", role="admin").key)


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(READY_LINE):
            return
    raise AssertionError("".join(lines))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
