"""Transactions that lost a race for a lock: they were undone, and may be run again."""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError

P = ParamSpec("P")
T = TypeVar("T")
MAX_TRIES = 4
FIRST_WAIT_SECONDS = 0.05
# SQLSTATE of PostgreSQL: serialization failure, deadlock, lock not available.
LOCK_STATES = ("40001", "40P01", "55P03")
SQLITE_LOCK_WORDS = ("is locked", "is busy")


def is_lock_error(error: BaseException) -> bool:
    """Whether a statement failed because others held a lock, on SQLite or PostgreSQL."""
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state in LOCK_STATES or any(words in str(error) for words in SQLITE_LOCK_WORDS)


def retry_when_locked(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that is one transaction and nothing else: a lock that was not free makes
    it run again, MAX_TRIES times in all. Raises OperationalError when that was not enough.
    """

    @wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        for turn in range(MAX_TRIES - 1):
            try:
                return function(*arguments, **named)
            except OperationalError as error:
                if not is_lock_error(error):
                    raise
                time.sleep(FIRST_WAIT_SECONDS * 2**turn)
        return function(*arguments, **named)

    return run
