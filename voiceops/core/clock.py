"""The database's clock, which all processes share. Leases, intents and slots depend on it alone."""

from datetime import UTC, datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """Return the wall-clock time of PostgreSQL, which moves on within a transaction.

    With SQLite all processes are on one machine, so its clock is used.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        # now() is the start of the transaction, which may have waited for a lock for seconds.
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now.astimezone(UTC)
