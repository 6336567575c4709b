"""`make worker` installs, says what it can speak with, and waits for calls."""

import importlib.util
import subprocess

import pytest

from voice.bench.world import World
from voice.providers.registry import PROVIDERS
from voice.settings import REPOSITORY
from voice.tests.acceptance.conversations import BUSY_MACHINE_SECONDS
from voice.tests.installation import CONTROL_PLANE_PYTHON


@pytest.mark.asyncio(loop_scope="session")
async def test_it_is_registered_after_a_line_for_each_provider(world: World) -> None:
    lines = world.worker.lines
    named = {line.split()[1] for line in lines if "ready: " in line}

    assert named == set(PROVIDERS)
    assert lines[-1].startswith(f"registered at {world.url} as voiceops after ")
    assert 0.0 < world.worker.registered_seconds <= 20.0 + BUSY_MACHINE_SECONDS


def test_make_worker_installs_the_worker_alone() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "worker"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )

    install = "ops/bootstrap.py requirements-worker-local.txt .venv-worker"
    assert install in done.stdout
    assert done.stdout.rstrip().endswith("exec .venv-worker/bin/python -m voice start")


def test_this_environment_has_no_django() -> None:
    assert importlib.util.find_spec("django") is None


@pytest.mark.control_plane
def test_the_control_planes_environment_has_no_framework() -> None:
    source = "from importlib.util import find_spec; print(find_spec('livekit.agents'))"
    done = subprocess.run(
        [str(CONTROL_PLANE_PYTHON), "-c", source], capture_output=True, text=True, check=True
    )

    assert done.stdout == "None\n"
