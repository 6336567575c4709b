"""Answers that are the same for everyone and are worth keeping for a moment."""

import threading
import time
from collections.abc import Callable, Hashable
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


class CostlyAnswers(Generic[T]):
    """Answers by their key, each kept for some times as long as it took to compute.

    However often they are asked for, computing them then takes a bounded share of a processor.
    """

    def __init__(self, *, times: float = 10.0, max_keys: int = 1000) -> None:
        self._times = times
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the answer that is kept for the key, else a new one."""
        began_at = time.monotonic()
        with self._lock:
            kept_until, answer = self._kept.get(key, (0.0, None))
        if answer is not None and began_at < kept_until:
            return answer
        answer = compute()
        ended_at = time.monotonic()
        with self._lock:
            if len(self._kept) >= self._max_keys:
                self._kept.clear()
            self._kept[key] = (ended_at + self._times * (ended_at - began_at), answer)
        return answer
