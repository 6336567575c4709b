"""How long PostgreSQL works on one statement, or waits for one of ours, before it gives up
(reliability.md N2).

Set for the web server and for workers; commands, which migrate and prune, take the time they need.
"""

from django.conf import settings
from django.db import connection

WEB_STATEMENT_SECONDS, WORKER_STATEMENT_SECONDS = 5, 60
IDLE_TRANSACTION_SECONDS = (
    30  # within a transaction: whoever stopped there holds locks that others wait for
)


def set_statement_timeouts(seconds: int) -> None:
    """For every connection this process opens from now on. SQLite knows no such limits."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("postgresql"):
        limits = {
            "statement_timeout": seconds,
            "lock_timeout": seconds,
            "idle_in_transaction_session_timeout": IDLE_TRANSACTION_SECONDS,
        }
        given = database["OPTIONS"].get("options", "")
        database["OPTIONS"]["options"] = " ".join(
            [given, *(f"-c {name}={value}s" for name, value in limits.items())]
        )


def disable_statement_timeout() -> None:
    """No limit until the transaction ends: for what is rare, and as large as a customer's list."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
