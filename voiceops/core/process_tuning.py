"""Settings of the interpreter and the C library in long-running processes.

With its default thresholds, Python's cycle collector scans young objects after every 700 that
survive, and all objects, half a million of the libraries included, whenever their number grew by a
quarter. During an import that took a third of all CPU time, and it stops an event loop for tens of
milliseconds, which is longer than a call may be late.
"""

import ctypes
import gc
import sys
import threading
import time

from django.db.backends.base.base import BaseDatabaseWrapper

_YOUNG_OBJECTS = 50_000  # that are allocated between two collections
WEB_YOUNG_OBJECTS = 2_000  # so that the garbage of requests stays within a megabyte or two
SWITCH_SECONDS = 0.001
RETURN_MEMORY_SECONDS = 10.0
_MAX_ARENAS = 2
WEB_MAX_ARENAS = 1  # requests compute one at a time anyway, and fill each other's holes
_M_ARENA_MAX = -8  # of glibc's malloc.h


def tune_gc(young_objects: int = _YOUNG_OBJECTS) -> None:
    """Collect less often, and never scan again what exists now. Call it after all imports."""
    # Garbage must not be frozen with the rest.
    gc.collect()
    gc.freeze()
    gc.set_threshold(young_objects, 20, 20)


def disable_query_log() -> None:
    """Stop Django from keeping the last 9,000 statements of each connection with DEBUG=1."""
    BaseDatabaseWrapper.queries_logged = property(lambda self: False)  # type: ignore[assignment]


def keep_memory_small() -> None:
    """Start a thread that returns free memory now and then. Call it after a fork.

    Large requests leave garbage in cycles, which the collector with these thresholds finds late,
    and holes in the C library's memory: a web process grew from 400 to 515 MB in ten minutes of
    them (`make soak`).
    """
    threading.Thread(target=_return_memory_forever, name="memory", daemon=True).start()


def return_free_memory() -> None:
    """Collect garbage, and give what is free back to the system (Linux with glibc)."""
    gc.collect()
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if malloc_trim is not None:
            malloc_trim(0)


def _return_memory_forever() -> None:
    while True:
        time.sleep(RETURN_MEMORY_SECONDS)
        return_free_memory()


def limit_arenas(count: int = _MAX_ARENAS) -> None:
    """Let all threads share a few arenas of the C library. Call it before threads are started.

    With glibc's default, eight for each core, every thread keeps what its largest request needed.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, count)


def switch_threads_often() -> None:
    """Let a thread that computes give way after a millisecond instead of five.

    A request or a dial takes Python's lock again after every statement of the database. Beside ten
    threads that compute, such as requests of somebody else or an import, each time took 50 ms.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
