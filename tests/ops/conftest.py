import os
from pathlib import Path

import pytest

from tests.ops.processes import MARK, free_port


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Every process started with it in its environment is found by `marked`."""
    monkeypatch.setenv(MARK, str(tmp_path))
    return str(tmp_path)


@pytest.fixture
def environment(mark: str, tmp_path: Path) -> dict[str, str]:
    """Of an installation of its own: the embedded default in a folder of the test's, on free ports."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}
    }
    ours = {"DEBUG": "1", "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "voiceops.settings"}
    return {**inherited, **ours, "PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
