import os
from pathlib import Path

import pytest

from tests.ops.processes import MARK_VARIABLE, free_port


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A mark in the environment by which `processes_of` finds every process that a test starts."""
    monkeypatch.setenv(MARK_VARIABLE, str(tmp_path))
    return str(tmp_path)


@pytest.fixture
def environment(mark: str, tmp_path: Path) -> dict[str, str]:
    """Variables for an installation with the defaults, in the test's folder and on free ports."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}
    }
    ours = {"DEBUG": "1", "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "voiceops.settings"}
    return {**inherited, **ours, "PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
