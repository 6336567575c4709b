"""Timeouts of PostgreSQL for statements and locks (docs/reference/reliability.md §N2).

The timeouts apply to the web server and to workers. Commands, which migrate and prune, have none.
"""

from django.conf import settings
from django.db import connection

# Browsers and load balancers give up early; the chunks of a worker are large on purpose.
WEB_STATEMENT_SECONDS = 5
WORKER_STATEMENT_SECONDS = 60
IDLE_TRANSACTION_SECONDS = 30  # a transaction that has stopped holds locks that others wait for


def set_statement_timeouts(seconds: int) -> None:
    """Apply the timeouts to every connection this process opens from now on.

    SQLite has none.
    """
    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("postgresql"):
        return
    timeouts = {
        "statement_timeout": seconds,
        "lock_timeout": seconds,
        "idle_in_transaction_session_timeout": IDLE_TRANSACTION_SECONDS,
    }
    # Options of the connection apply to its first statement and cost no round trip.
    options = [f"-c {name}={value}s" for name, value in timeouts.items()]
    configured = database["OPTIONS"].get("options", "")
    database["OPTIONS"]["options"] = " ".join([configured, *options])


def disable_statement_timeout() -> None:
    """Lift the limit until the transaction ends, for rare work as large as a customer's list."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
