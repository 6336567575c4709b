"""PostgreSQL whose connections are looked at, not asked, between two requests in close succession.

Before a request uses a connection that an earlier one has left, Django asks the server with a
`SELECT 1`: a third of what `GET /calls/{id}` says to the database. When a server ends a connection,
it writes to it or closes it, which the kernel knows. So a connection that was in use a moment ago
is asked only if there is something to read on it.

Statements that are kept (voiceops.db.compiled_query) run on cursors of their own: PostgreSQL binds
their parameters, and may keep them prepared; values are loaded by psycopg's compiled loaders, which
take a tenth of the time of Django's.
"""

import select
import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base, operations
from django.db.backends.postgresql.psycopg_any import get_adapters_template
from psycopg.adapt import AdaptersMap
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.string import TextLoader

# Something between the two may drop a connection without a word, but hardly one in use.
RESTED_SECONDS = 5.0


def _adapters(*, ids_as_text: bool) -> AdaptersMap:
    """Django's, but with instants in UTC by the compiled loader, and perhaps ids as text."""
    adapters = AdaptersMap(get_adapters_template(True, None))
    adapters.register_loader("timestamptz", TimestamptzLoader)
    if ids_as_text:
        adapters.register_loader("uuid", TextLoader)
    return adapters


class KeptStatementCursor(psycopg.Cursor[Any]):
    """A cursor for statements that are kept. `is_prepared` lets PostgreSQL keep the plan, too; None
    does where the same text comes again.
    """

    kept_adapters = _adapters(ids_as_text=False)
    is_prepared: bool | None = False

    @property
    def adapters(self) -> AdaptersMap:
        return self.kept_adapters

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(query, params, prepare=self.is_prepared)


class JsonCursor(KeptStatementCursor):
    """One whose rows become JSON: ids are text."""

    kept_adapters = _adapters(ids_as_text=True)


class DatabaseOperations(operations.DatabaseOperations):
    """Logs a kept statement with its parameters in place, as Django logs its own."""

    def last_executed_query(self, cursor: Any, sql: Any, params: Any) -> Any:
        if isinstance(cursor, KeptStatementCursor):
            return self.compose_sql(sql, params)
        return super().last_executed_query(cursor, sql, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the server only about a connection that has rested, or on which something arrived."""

    ops_class = DatabaseOperations
    _last_checked_at = float("-inf")

    def is_usable(self) -> bool:
        """Whether the connection still works. Called before its first use in a request."""
        now = time.monotonic()
        has_rested = now - self._last_checked_at >= RESTED_SECONDS
        self._last_checked_at = now
        if not has_rested and self.connection is not None and is_quiet(self.connection):
            return True
        return bool(super().is_usable())

    def get_connection_params(self) -> dict[str, Any]:
        """Let statements be prepared that ask for it; Django's own never do."""
        params: dict[str, Any] = super().get_connection_params()
        params["prepare_threshold"] = self.settings_dict["OPTIONS"].get("prepare_threshold", 5)
        return params

    def kept_statement_cursor(self, *, for_json: bool, is_prepared: bool | None) -> Any:
        """Return a cursor for a statement that is kept."""
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            cursor = (JsonCursor if for_json else KeptStatementCursor)(self.connection)
        cursor.is_prepared = is_prepared
        # Django's wrapper, which counts and logs queries. The stubs lack it.
        return self._prepare_cursor(cursor)  # type: ignore[attr-defined]


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
