import importlib
from pathlib import Path

import pytest

from voiceops.api.lean_imports import absent


def test_a_module_is_absent_in_the_block_and_importable_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unneeded_here.py").write_text("needed = True")
    monkeypatch.syspath_prepend(tmp_path)

    with absent(["unneeded_here"]), pytest.raises(ImportError):
        importlib.import_module("unneeded_here")

    assert importlib.import_module("unneeded_here").needed


def test_a_module_that_was_imported_before_stays() -> None:
    with absent(["importlib"]):
        assert importlib.import_module("importlib") is importlib
