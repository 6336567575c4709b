"""Copies SQLite's write-ahead log into the database, beside those who write.

Left to itself, SQLite does so inside a commit, which then waits for the disk; and with it everybody
who wants to write: on a busy disk, 13 s were measured. A commit does it only when the log has grown
to 80 MB (`wal_autocheckpoint`), because no worker runs.
"""

from django.db import connection

CHECKPOINT_INTERVAL_SECONDS = 1.0


def checkpoint_database() -> None:
    """Copy what has been committed. Waits for the disk, but for nobody, and nobody waits for it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
