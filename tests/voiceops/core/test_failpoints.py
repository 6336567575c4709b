"""Failpoints: a process dies at the configured point, once, and only with DEBUG=1."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WORKER = """
import django; django.setup()
from voiceops.core import failpoints
for number in range(4):
    failpoints.hit("after_intent", [number])
    print(number, flush=True)
"""


def run(data_dir: Path, *, debug: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "DATA_DIR": str(data_dir),
        "DEBUG": debug,
        "VO_FAIL": "after_intent:3",
    }
    # The tests' settings have secrets for DEBUG=0 and switch DEBUG off themselves.
    environment["DJANGO_SETTINGS_MODULE"] = (
        "voiceops.settings" if debug == "1" else "tests.settings"
    )
    if debug == "0":
        environment.pop("DEBUG")
    return subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_is_killed_at_the_configured_hit_and_its_successor_lives(
    tmp_path: Path,
) -> None:
    first, second = run(tmp_path, debug="1"), run(tmp_path, debug="1")

    assert (first.returncode, first.stdout.split()) == (-signal.SIGKILL, ["0", "1"])
    assert (tmp_path / "failpoints" / "after_intent").read_text() == "2"
    assert (second.returncode, second.stdout.split()) == (0, ["0", "1", "2", "3"])


def test_without_debug_nothing_is_killed(tmp_path: Path) -> None:
    done = run(tmp_path, debug="0")

    assert (done.returncode, done.stdout.split()) == (0, ["0", "1", "2", "3"])
