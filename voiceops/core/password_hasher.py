"""Argon2, one password at a time in each process, behind everything else that wants the processor:
so that parallel guesses take neither the memory nor the time of everybody else.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher

from voiceops.core.errors import Busy

# Of a process's 16 threads. More guesses than that are refused, and everything else is served.
MAX_WAITING_PASSWORDS = 8
TOO_MANY_PASSWORDS = "Too many passwords are being checked at the same time; try again"
HASHING_NICENESS = 10  # a password waits for requests and calls, not they for it

_places = threading.BoundedSemaphore(1 + MAX_WAITING_PASSWORDS)


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Django's hasher; in one process, one password is hashed and a few wait for their turn.

    The costs are the first choice of OWASP's password storage cheat sheet. Django's own (100 MB in
    eight threads) took 0.18 s of all cores for each guess of a stranger. A password that was stored
    at other costs stays valid, and is stored anew at the next login.
    """

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Raises Busy when too many passwords wait."""
        return str(_in_turn(super().encode, password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        """Raises Busy when too many passwords wait."""
        return bool(_in_turn(super().verify, password, encoded))


def _in_turn(step: Callable[..., Any], *arguments: str) -> Any:
    with _place():
        return _hashing_thread().submit(step, *arguments).result()


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(blocking=False):
        raise Busy(TOO_MANY_PASSWORDS)
    try:
        yield
    finally:
        _places.release()


@cache
def _hashing_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="passwords", initializer=_step_back)


def _step_back() -> None:
    # On Linux a thread has a priority of its own; elsewhere its id could be another process's.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, own + HASHING_NICENESS)


# A forked process inherits the executor, but not its thread.
os.register_at_fork(after_in_child=_hashing_thread.cache_clear)
