"""PostgreSQL whose connections are looked at, not asked, between two requests in close succession.

Before a request uses a connection that an earlier one has left, Django asks the server with a
`SELECT 1`: a third of what `GET /calls/{id}` says to the database. When a server ends a connection,
it writes to it or closes it, which the kernel knows. So a connection that was in use a moment ago
is asked only if there is something to read on it.
"""

import select
import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import ConnStatus, TransactionStatus

# Something between the two may drop a connection without a word, but hardly one in use.
RESTED_SECONDS = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the server only about a connection that has rested, or on which something arrived."""

    _last_checked_at = float("-inf")

    def is_usable(self) -> bool:
        """Whether the connection still works. Called before its first use in a request."""
        now = time.monotonic()
        has_rested = now - self._last_checked_at >= RESTED_SECONDS
        self._last_checked_at = now
        if not has_rested and self.connection is not None and is_quiet(self.connection):
            return True
        return bool(super().is_usable())


def is_quiet(connection: Any) -> bool:
    """Whether the connection is open and idle, and the server has sent nothing unasked."""
    pgconn = connection.pgconn
    try:
        if pgconn.status != ConnStatus.OK or pgconn.transaction_status != TransactionStatus.IDLE:
            return False
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN)  # a closed one is reported in any case
    except (psycopg.Error, OSError, ValueError):
        return False
    return not poll.poll(0)
