"""The real thing: sandbox, web server and worker, each killed once."""

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
from tests.ops.processes import eventually, marked

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
    """A `serve` that is ready; whatever is left of it afterwards is killed."""
    with start(environment) as process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            while not said or said[-1] not in {"", "Ctrl-C stops everything\n"}:
                said.append(process.stdout.readline())
            assert said[-1], said
            yield process
        finally:
            for pid in marked(mark):
                os.kill(pid, signal.SIGKILL)


def is_back(mark: str, word: str, before: set[int]) -> bool:
    return bool(marked(mark, word) - before)


def health(environment: dict[str, str]) -> int:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{environment['PORT']}/healthz", timeout=30
    ) as response:
        status: int = response.status
        return status


def test_whatever_is_killed_comes_back_and_a_signal_ends_it_all(
    server: subprocess.Popen[str], environment: dict[str, str], mark: str
) -> None:
    for word in SERVICES:
        before = marked(mark, word)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert eventually(partial(is_back, mark, word, before), seconds=2), word
    assert health(environment) == 200

    asked_at = time.monotonic()
    server.terminate()

    assert server.wait(timeout=15) == 0
    assert time.monotonic() - asked_at < 15
    assert marked(mark) == set()


def test_a_second_one_is_refused_in_one_line_and_leaves_the_first_alone(
    server: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    with start(environment) as second:
        said, _ = second.communicate(timeout=30)

    port = environment["PORT"]
    assert (
        said
        == f"CommandError: Port {port} cannot be used (Address already in use). Set PORT to a free one.\n"
    )
    assert second.returncode == 1
    assert health(environment) == 200


def test_nothing_is_left_when_serve_itself_is_killed(
    server: subprocess.Popen[str], mark: str
) -> None:
    assert len(marked(mark)) >= len(SERVICES) + 1

    server.kill()

    assert eventually(lambda: marked(mark) == set(), seconds=15)


def test_a_server_that_knows_its_public_name_only_is_ready_too(
    environment: dict[str, str], mark: str
) -> None:
    public = {
        "ALLOWED_HOSTS": "voiceops.example.com",
        "PUBLIC_URL": "https://voiceops.example.com",
        "DEBUG": "0",
    }

    with start({**environment, **new_secrets(), **public}) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        process.communicate(timeout=15)

    assert said[2].startswith("Ready: "), said
    assert marked(mark) == set()
