"""The database's clock, which all workers share. Leases, intents and time slots are reckoned by it
alone.
"""

from datetime import UTC, datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """Now by PostgreSQL's wall clock, also in the middle of a transaction; with SQLite there is
    only one machine.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now.astimezone(UTC)
