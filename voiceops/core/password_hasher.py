"""Argon2, one password at a time: each takes 100 MB and all cores for a while, so that parallel
guesses would take the memory and the time of everybody else.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher

from voiceops.core.errors import Busy

# Of a process's 16 threads. More guesses than that are refused, and everything else is served.
MAX_WAITING_PASSWORDS = 8
TOO_MANY_PASSWORDS = "Too many passwords are being checked at the same time; try again"

_turn = threading.Lock()
_places = threading.BoundedSemaphore(1 + MAX_WAITING_PASSWORDS)


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """Django's hasher; in one process, one password is hashed and a few wait for their turn."""

    def encode(self, password: str, salt: str) -> str:
        """Raises Busy when too many passwords wait."""
        with _place():
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        """Raises Busy when too many passwords wait."""
        with _place():
            return bool(super().verify(password, encoded))


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(blocking=False):
        raise Busy(TOO_MANY_PASSWORDS)
    try:
        with _turn:
            yield
    finally:
        _places.release()
