"""Answers that are the same for everyone and are worth keeping for a moment."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """A function whose result is kept for some seconds; one thread at a time computes it."""

    def __init__(self, function: Callable[[], T], seconds: float) -> None:
        self._function = function
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: tuple[float, T] | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._kept is None or time.monotonic() > self._kept[0]:
                result = self._function()
                self._kept = (time.monotonic() + self._seconds, result)
            return self._kept[1]

    def forget(self) -> None:
        """Compute the result again at the next call."""
        self._kept = None


def remembered(*, seconds: float) -> Callable[[Callable[[], T]], Remembered[T]]:
    """Decorate a function without parameters: its result is kept for some seconds."""
    return lambda function: Remembered(function, seconds)
