"""Writes that lost a race for a lock: they were undone, and may be run again."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

P = ParamSpec("P")
T = TypeVar("T")
MAX_TRIES = 4
FIRST_WAIT_SECONDS = 0.05
# A statement that has waited for a lock for so long is not tried again: its thread is needed.
MAX_RETRY_SECONDS = 5.0
# SQLSTATE of PostgreSQL: serialization failure, deadlock, lock not available.
LOCK_STATES = ("40001", "40P01", "55P03")
STATEMENT_TIMEOUT_STATE = "57014"  # of a wait for a lock too: both timeouts are equally long
SQLITE_LOCK_WORDS = ("is locked", "is busy")
# Statements that leave nothing behind by themselves; every other one counts as a write.
HARMLESS_STATEMENTS = ("SELECT", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK")


def is_lock_error(error: BaseException) -> bool:
    """Whether a statement failed because others held a lock, on SQLite or PostgreSQL."""
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state in LOCK_STATES or any(words in str(error) for words in SQLITE_LOCK_WORDS)


def is_timeout(error: BaseException) -> bool:
    """Whether PostgreSQL ended a statement because it took too long."""
    return getattr(error.__cause__, "sqlstate", None) == STATEMENT_TIMEOUT_STATE


def retry_when_locked(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that does nothing outside the database before it writes there.

    When a lock was not free and nothing that the function wrote has been committed, it runs again,
    MAX_TRIES times in all. Raises OperationalError when that was not enough.
    """

    @wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        ends_at = time.monotonic() + MAX_RETRY_SECONDS
        turn = 0
        while True:
            writes = _Writes()
            try:
                with connection.execute_wrapper(writes):
                    return function(*arguments, **named)
            except OperationalError as error:
                turn += 1
                is_last = turn == MAX_TRIES or time.monotonic() > ends_at
                if is_last or writes.are_committed or not is_lock_error(error):
                    raise
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (turn - 1))

    return run


class _Writes:
    """Records whether anything that is written through this connection has been committed."""

    def __init__(self) -> None:
        self.are_committed = False

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        result = execute(sql, params, many, context)
        if not str(sql).startswith(HARMLESS_STATEMENTS):
            if connection.in_atomic_block:
                transaction.on_commit(self.record_commit)
            else:
                self.record_commit()
        return result

    def record_commit(self) -> None:
        self.are_committed = True
