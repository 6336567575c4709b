from pathlib import Path

import pytest

from tests.ops.processes import MARK


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Every process started with it in its environment is found by `marked`."""
    monkeypatch.setenv(MARK, str(tmp_path))
    return str(tmp_path)
