"""Agents that are rehearsed, by a stand-in for the program that does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Workspace
from agents.models import Agent
from agents.rehearsing import voice_program
from tests import make
from tests.agents.scripts import install_program


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs the stand-in."""
    path = tmp_path / "python"

    def install(**options: Any) -> None:
        install_program(path, **options)
        monkeypatch.setattr(voice_program, "VOICE_PYTHON", path)

    return install


@pytest.fixture
def agent(ours: Workspace) -> Agent:
    return make.agent(ours, published=False)
