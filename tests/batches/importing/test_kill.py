"""An import killed repeatedly with SIGKILL."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "tests.batches.importing.program"]
KILLS = 2


def environment(folder: Path) -> dict[str, str]:
    own = {"DEBUG": "1", "DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "voiceops.settings"}
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | own


def run(folder: Path, command: str) -> None:
    subprocess.run(
        [*PROGRAM, command], cwd=REPOSITORY, env=environment(folder), check=True, timeout=100
    )


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "voiceops.sqlite3", timeout=20)) as connection:
        yield connection
        connection.commit()


def rows_of(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    with database(folder) as connection:
        recipients = '"row_number", "phone_number", "values", "is_duplicate", "status", "reason"'
        refused = '"row_number", "error_code", "error_message", "values"'
        return {
            "recipients": connection.execute(
                f"SELECT {recipients} FROM batches_recipient ORDER BY 1"  # noqa: S608
            ).fetchall(),
            "refused": connection.execute(
                f"SELECT {refused} FROM batches_rejectedrow ORDER BY 1"  # noqa: S608
            ).fetchall(),
            "batch": connection.execute(
                "SELECT status, rows_read, rejected_count, upload FROM batches_batch"
            ).fetchall(),
        }


def rows_read(folder: Path) -> int:
    with database(folder) as connection:
        [(found,)] = connection.execute("SELECT rows_read FROM batches_batch").fetchall()
    return int(found)


def kill_in_the_middle(folder: Path) -> int:
    """Start an import and kill it once it has stored a chunk. Returns the position it reached."""
    before = rows_read(folder)
    with subprocess.Popen([*PROGRAM, "import"], cwd=REPOSITORY, env=environment(folder)) as child:
        deadline = time.monotonic() + 60
        while rows_read(folder) == before and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        child.kill()
    with database(folder) as connection:  # as if the lease had expired
        connection.execute("UPDATE batches_batch SET import_lease_expires_at = NULL")
    return rows_read(folder)


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_import_killed_repeatedly_ends_with_the_same_rows(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(whole, "prepare")
    run(whole, "import")
    run(killed, "prepare")

    reached = [kill_in_the_middle(killed) for _ in range(KILLS)]
    run(killed, "import")

    found = rows_of(killed)
    assert sorted(set(reached)) == reached
    assert found["batch"] == [("ready", 30_001, len(found["refused"]), "")]
    assert found == rows_of(whole)
