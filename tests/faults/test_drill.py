"""Small drills with real processes and real SIGKILL. `make drill` runs the large ones."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# A drill must use a folder, a database and a broker of its own.
OWN_VARIABLES = ("DATA_DIR", "DATABASE_URL", "CELERY_BROKER_URL")
ROOT = Path(__file__).resolve().parents[2]


def run_drill(*arguments: str) -> tuple[int, str, dict[str, float]]:
    """The drill's exit code, its output, and its figures."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    done = subprocess.run(
        [sys.executable, "manage.py", "drill", *arguments],
        cwd=ROOT,
        env={**environment, "DJANGO_SETTINGS_MODULE": "voiceops.settings"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    figures = {
        name: float(value)
        for name, value in re.findall(r"^figure (\S+) (\S+)$", done.stdout, re.MULTILINE)
    }
    return done.returncode, done.stdout + done.stderr, figures


@pytest.mark.drill
@pytest.mark.timeout(180)
def test_a_worker_killed_again_and_again_dials_no_recipient_twice_and_loses_none() -> None:
    code, output, figures = run_drill("--people", "100", "--kills", "3", "--seconds", "120")

    assert code == 0, output
    assert (figures["people"], figures["dialled_twice"], figures["lost"], figures["broken"]) == (
        100,
        0,
        0,
        0,
    )


@pytest.mark.drill
@pytest.mark.timeout(180)
def test_two_workers_share_a_batch_and_keep_its_pace() -> None:
    code, output, figures = run_drill(
        "--people", "100", "--kills", "0", "--workers", "2", "--no-faults"
    )

    assert code == 0, output
    assert figures["requests_in_fullest_second"] <= 20
    assert (figures["people"], figures["dialled_twice"], figures["lost"], figures["review"]) == (
        100,
        0,
        0,
        0,
    )
