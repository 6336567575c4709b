"""`make run ONCE=1`, whole: a real server, worker and sandbox, used over HTTP."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.ops.processes import processes_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# The last number of each range of final digits, and its outcome
# (docs/reference/api-contract.md §11).
OUTCOMES_UP_TO = (
    (59, "answered"),
    (69, "no_answer"),
    (74, "busy"),
    (79, "voicemail"),
    (84, "declined"),
    (89, "invalid_number"),
    (97, "answered"),
    (98, "blocked"),
    (99, "answered"),
)


def expected_outcome(number: str) -> str:
    return next(outcome for last, outcome in OUTCOMES_UP_TO if int(number[-2:]) <= last)


def demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "demo", "--once", *arguments]
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=environment,
        text=True,
        capture_output=True,
        timeout=200,
        check=False,
    )


def test_every_recipient_of_the_sample_is_called_once_with_the_expected_outcome(
    environment: dict[str, str], tmp_path: Path, mark: str
) -> None:
    done = demo({**environment, "SANDBOX_SPEED": "40"})

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    (results,) = (tmp_path / "results").iterdir()
    with results.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100
    assert {row["phone"]: row["outcome"] for row in rows} == {
        row["phone"]: expected_outcome(row["phone"]) for row in rows
    }
    assert {row["attempts"] for row in rows} == {"1"}
    assert "| 100/100 recipients [" in done.stdout
    assert "  answered                69  69.0%" in done.stdout
    assert processes_of(mark) == set()


def test_an_unreadable_list_ends_the_demo_in_one_line(
    environment: dict[str, str], tmp_path: Path, mark: str
) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()

    done = demo(environment, str(empty))

    assert done.returncode == 1
    assert done.stderr.startswith("CommandError: ")
    assert done.stderr.count("\n") == 1
    assert "empty" in done.stderr
    assert processes_of(mark) == set()
