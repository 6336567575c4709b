"""`manage.py serve` with its real processes: sandbox, web server and worker, each killed once."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import partial

import pytest
from django.conf import settings

from ops.new_secrets import new_secrets
from tests.ops.processes import becomes_true, killed_at_end, processes_of

SERVICES = ("sandbox", "gunicorn", "celery")

pytestmark = pytest.mark.slow


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "serve"]
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def server(environment: dict[str, str], mark: str) -> Iterator[subprocess.Popen[str]]:
    """A `serve` that is ready; what is left of it after the test is killed."""
    with start(environment) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or lines[-1] not in {"", "Ctrl-C stops everything\n"}:
                lines.append(process.stdout.readline())
            assert lines[-1], lines
            yield process
        finally:
            for pid in processes_of(mark):
                os.kill(pid, signal.SIGKILL)


def is_back(mark: str, word: str, before: set[int]) -> bool:
    return bool(processes_of(mark, word) - before)


def health(environment: dict[str, str]) -> int:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{environment['PORT']}/healthz", timeout=30
    ) as response:
        status: int = response.status
        return status


def test_killed_processes_are_restarted_and_sigterm_ends_everything(
    server: subprocess.Popen[str], environment: dict[str, str], mark: str
) -> None:
    for word in SERVICES:
        before = processes_of(mark, word)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert becomes_true(partial(is_back, mark, word, before), seconds=2), word
    assert health(environment) == 200

    stopped_at = time.monotonic()
    server.terminate()

    assert server.wait(timeout=15) == 0
    assert time.monotonic() - stopped_at < 15
    assert processes_of(mark) == set()


def test_a_second_server_is_refused_in_one_line_and_leaves_the_first_alone(
    server: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    with killed_at_end(start(environment)) as second:
        output, _ = second.communicate(timeout=30)

    port = environment["PORT"]
    reason = f"Port {port} cannot be used (Address already in use). Set PORT to a free one."
    assert output == f"CommandError: {reason}\n"
    assert second.returncode == 1
    assert health(environment) == 200


def test_nothing_is_left_when_serve_itself_is_killed(
    server: subprocess.Popen[str], mark: str
) -> None:
    assert len(processes_of(mark)) >= len(SERVICES) + 1

    server.kill()

    assert becomes_true(lambda: processes_of(mark) == set(), seconds=15)


def test_a_server_that_allows_its_public_name_only_becomes_ready(
    environment: dict[str, str], mark: str
) -> None:
    public = {
        "ALLOWED_HOSTS": "voiceops.example.com",
        "PUBLIC_URL": "https://voiceops.example.com",
        "DEBUG": "0",
    }

    with killed_at_end(start({**environment, **new_secrets(), **public})) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()
        process.communicate(timeout=15)

    assert lines[2].startswith("Ready: "), lines
    link = "https://voiceops.example.com/console/first-account?token="
    assert lines[3].startswith(f"Create the first account: {link}"), lines
    assert processes_of(mark) == set()
