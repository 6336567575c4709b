"""The worker copies SQLite's log into the database, so that no commit has to."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from tests import make
from worker.periodic.checkpoints import checkpoint_database


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has checkpoints of ours")
def test_what_was_committed_stands_in_the_database_and_not_only_in_its_log(tmp_path: Path) -> None:
    checkpoint_database()
    workspace = make.workspace()
    assert _names_without_log(tmp_path / "before.sqlite3") == []

    checkpoint_database()

    assert _names_without_log(tmp_path / "after.sqlite3") == [workspace.name]


def _names_without_log(copy: Path) -> list[str]:
    """The workspaces in a copy of the database's file alone."""
    shutil.copyfile(connection.settings_dict["NAME"], copy)
    with closing(sqlite3.connect(copy)) as database:
        rows = database.execute("SELECT name FROM accounts_workspace").fetchall()
    return [name for (name,) in rows]
